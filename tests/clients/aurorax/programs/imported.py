"""What `sightline ephemeris import` stored, as a user of pyaurorax 1.27.0 finds it; deleted at the end."""

import datetime
import sys

import pyaurorax

aurorax = pyaurorax.PyAuroraX(api_base_url=sys.argv[1])
DAY = datetime.datetime(2020, 1, 1)
END = datetime.datetime(2020, 1, 2, 23, 59)

source = aurorax.search.sources.get("imports", "one", "footprint", include_stats=True)
assert source.source_type == "leo"
assert source.stats.ephemeris_count == 2880
assert [field["field_name"] for field in source.ephemeris_metadata_schema] == ["state"]

(day,) = aurorax.search.availability.ephemeris(DAY, DAY, program="imports")
assert day.available_ephemeris == {"2020-01-01": 1440}

found = aurorax.search.ephemeris.search(
    END - datetime.timedelta(minutes=2),
    END,
    programs=["imports"],
    metadata_filters=pyaurorax.search.MetadataFilter(
        [pyaurorax.search.MetadataFilterExpression("state", "good", operator="=")]
    ),
    poll_interval=0.05,
)
assert [record.epoch for record in found.data] == [END - datetime.timedelta(minutes=n) for n in (2, 1, 0)]
assert [record.location_geo.lat for record in found.data] == [n % 50 / 10 for n in (2877, 2878, 2879)]

aurorax.search.ephemeris.delete(source, DAY, END)
aurorax.search.sources.delete(source.identifier)
