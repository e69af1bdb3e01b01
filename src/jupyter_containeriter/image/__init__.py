"""Snapshot files and a base become a content-addressed OCI image, without Dockerfile, daemon or network."""
