"""The road of one iteration: capture, build, load, start, verify, promote.

:class:`~jupyter_containeriter.road.walk.Road` walks it. A version gets into service in one of two ways, both verified
before they replace what runs: :class:`~jupyter_containeriter.road.launch.Launch` starts a container of its own,
:class:`~jupyter_containeriter.road.hot.HotLoad` loads the model into the container that runs already.
"""
