"""`logstv archive` as an operator runs it, against the Cassandra of this run."""

from __future__ import annotations

import gzip
import json
import subprocess
import time
from pathlib import Path

import pytest
from support import lines
from test_commands import environment, run  # noqa: F401 - a fixture

from store.keys import MS_IN_DAY
