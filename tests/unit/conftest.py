"""Its place is what counts: tests of every room find the helpers beside it, such as ``load_frames``."""
