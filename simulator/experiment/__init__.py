"""An experiment from its spec to user-days: assignment, schedule, engines."""
