"""What schemathesis can't read from the description: rules that no schema can say."""

from datetime import datetime, timezone

import schemathesis
from hypothesis import strategies as st

# An event happened in this century and not tomorrow: docs/events.md.
moments = st.datetimes(datetime(2000, 1, 2), datetime(2026, 1, 1), timezones=st.just(timezone.utc))
schemathesis.openapi.format("date-time", moments.map(lambda moment: moment.isoformat().replace("+00:00", "Z")))
