"""A user's own sources and records with pyaurorax 0.8.0."""

import datetime
import sys

import pyaurorax as aurorax

aurorax.api.set_base_url(sys.argv[1])
DAY = datetime.datetime(2021, 2, 3)
MINUTE = datetime.timedelta(minutes=1)

one = aurorax.sources.add(
    aurorax.sources.DataSource(
        program="balloon", platform="one", instrument_type="footprint", source_type="leo", display_name="One"
    )
)
assert aurorax.sources.get("balloon", "one", "footprint").identifier == one.identifier
assert one.identifier in [each.identifier for each in aurorax.sources.list()]
assert aurorax.sources.partial_update(one.identifier, display_name="Balloon").display_name == "Balloon"
one.metadata = {"gas": "helium"}
assert aurorax.sources.update(one).metadata == {"gas": "helium"}
try:
    aurorax.sources.add(one)
except aurorax.AuroraXDuplicateException as error:
    assert "Duplicate - " in str(error), error
else:
    raise AssertionError("added twice")

here = aurorax.Location(lat=51.0, lon=-114.0)
records = [
    aurorax.ephemeris.Ephemeris(
        data_source=one, epoch=DAY + n * MINUTE, location_geo=here, nbtrace=here, sbtrace=here, metadata={}
    )
    for n in range(100)
]
assert aurorax.ephemeris.upload(one.identifier, records, validate_source=True) == 1
try:
    aurorax.ephemeris.upload(one.identifier, [{"epoch": "now"}])
except aurorax.AuroraXUploadException as error:
    assert "record 1: " in str(error), error
else:
    raise AssertionError("stored")
product = aurorax.data_products.DataProduct(
    data_source=one,
    data_product_type="keogram",
    start=DAY,
    end=DAY + MINUTE,
    url="https://data.example.org/k.jpg",
    metadata={},
)
assert aurorax.data_products.upload(one.identifier, [product]) == 1
stats = aurorax.sources.get_stats(one.identifier)
assert (stats.ephemeris_count, stats.data_product_count, stats.data_source.platform) == (100, 1, "one"), stats
assert stats.latest_ephemeris_loaded == DAY + 99 * MINUTE, stats
(available,) = aurorax.availability.ephemeris(DAY, DAY, program="balloon")
assert available.available_ephemeris == {"2021-02-03": 100}, available

assert aurorax.ephemeris.delete(one, DAY, DAY + 1439 * MINUTE) == 1
assert aurorax.data_products.delete(one, [product.url]) == 1
assert aurorax.sources.delete(one.identifier) == 1
