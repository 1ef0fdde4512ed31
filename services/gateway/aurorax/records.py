"""Uploading and deleting the records of data sources. What was answered is stored, and in the next search."""

from fastapi import APIRouter, Request

from contracts.http.source_records import DataProductDelete, EphemerisDelete
from services.gateway.aurorax.rows import check_source, read_ephemeris, read_products
from services.gateway.control import ControlDep
from services.kit.aurorax import PREFIX, read_json, read_model
from services.kit.http import SourceWriter

router = APIRouter(prefix=f"{PREFIX}/data_sources/{{identifier}}", include_in_schema=False)


@router.post("/ephemeris", status_code=202)
async def upload_ephemeris(
    identifier: int, request: Request, caller: SourceWriter, control: ControlDep
) -> dict[str, int]:
    """Store the records, over those of the same minutes; all of them or none."""
    source = await control.sources.find(caller.tenant, identifier)
    records = await control.source_records.read(read_ephemeris, await request.body(), source)
    await control.source_records.put_ephemeris(source, records)
    return {"stored": len(records)}


@router.delete("/ephemeris", status_code=202)
async def delete_ephemeris(
    identifier: int, request: Request, caller: SourceWriter, control: ControlDep
) -> dict[str, int]:
    """Delete the records of a span, both ends included; they are gone when this is answered."""
    wanted = read_model(EphemerisDelete, await read_json(request))
    source = await control.sources.find(caller.tenant, identifier)
    check_source(wanted, source)
    return {"deleted": await control.source_records.delete_ephemeris(source, *wanted.minutes)}


@router.post("/data_products", status_code=202)
async def upload_data_products(
    identifier: int, request: Request, caller: SourceWriter, control: ControlDep
) -> dict[str, int]:
    """Store the data products, over those of the same addresses; all of them or none."""
    source = await control.sources.find(caller.tenant, identifier)
    products = await control.source_records.read(read_products, await request.body(), source)
    await control.source_records.put_products(source, products)
    return {"stored": len(products)}


@router.delete("/data_products")
async def delete_data_products(
    identifier: int, request: Request, caller: SourceWriter, control: ControlDep
) -> dict[str, int]:
    """Delete the data products of these addresses; those that are not there are no error."""
    wanted = read_model(DataProductDelete, await read_json(request))
    source = await control.sources.find(caller.tenant, identifier)
    check_source(wanted, source)
    return {"deleted": await control.source_records.delete_products(source, wanted.urls)}
