"""Engines load images and run containers; they speak only our types."""
