"""A namespace (a plain dict) becomes a Snapshot: model, environment closure, local code, sample. No IPython here."""
