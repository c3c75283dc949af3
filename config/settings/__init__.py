"""Settings: `base` is shared; choose `embedded`, `production` or `test`."""
