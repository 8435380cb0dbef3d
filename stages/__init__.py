"""The work itself: pure functions between declared tables; no Dask, no paths of datasets."""
