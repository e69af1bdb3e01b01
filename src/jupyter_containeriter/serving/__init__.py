"""The inference server that runs inside the container, and the codec that both sides share.

It imports nothing of the rest of the package and uses relative imports only, because it is shipped into the image
under another name (``containeriter_serving``).
"""
