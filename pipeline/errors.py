"""What can go wrong, as a tree; every message says what was found, expected, and what to do.

PalimpsestError
+-- CaseError       the case file asks for something impossible            exit 2
+-- FlowError       the steps in flow.py do not fit together               exit 1
+-- StoreError      the run folder does not hold what its records say      exit 1
+-- LockedError     another run holds the folder                           exit 1
+-- RunError        a part could not be made                               exit 1
|   +-- DiskFullError   no room left; what was committed is safe           exit 1
"""


class PalimpsestError(Exception):
    """Base of every error that this program raises on purpose."""

    exit_code = 1


class CaseError(PalimpsestError):
    """The case file, or what was typed, asks for something impossible."""

    exit_code = 2


class FlowError(PalimpsestError):
    """The steps of the flow do not fit together."""


class StoreError(PalimpsestError):
    """The run folder does not hold what its records say."""


class LockedError(PalimpsestError):
    """Another run holds the run folder."""


class RunError(PalimpsestError):
    """A part could not be made."""


class DiskFullError(RunError):
    """No room is left for a part."""
