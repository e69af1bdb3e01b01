"""The best way by hand: a Dockerfile that copies the model last, ``docker build``, ``docker run``."""

from __future__ import annotations

import pickle
from pathlib import Path

from jupyter_containeriter.types import CONTAINER_ROOT
from models import forest
from workbench import Builder, Question, Served, Trial, Watch

SERVER = """\
import json
import pickle

import numpy
import uvicorn

with open("/app/model.pkl", "rb") as file:
    model = pickle.load(file)


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    found = scope["method"] == "POST" and scope["path"] == "/predict"
    answer = json.dumps(model.predict(numpy.asarray(json.loads(body))).tolist()) if found else "{}"
    await send({
        "type": "http.response.start",
        "status": 200 if found else 404,
        "headers": [(b"content-type", b"application/json")],
    })
    await send({"type": "http.response.body", "body": answer.encode()})


uvicorn.run(app, host="0.0.0.0", port=8080, log_level="warning", access_log=False, lifespan="off")
"""

DOCKERFILE = """\
FROM {base}
ENV PYTHONPATH={root}/site-packages PYTHONDONTWRITEBYTECODE=1
COPY server.py /app/server.py
CMD ["{interpreter}", "/app/server.py"]
COPY model.pkl /app/model.pkl
"""


class ByHand(Served):
    """A Dockerfile, ``docker build`` and ``docker run``.

    Parameters
    ----------
    builder
        The command.
    directory
        The build context.
    base, interpreter
        The image it builds on, and the Python in there.
    repository
        Name of the images it builds.
    """

    def __init__(self, builder: Builder, directory: Path, base: str, interpreter: str, repository: str) -> None:
        super().__init__(builder, repository, 8080)
        self._context = directory
        directory.mkdir()
        text = DOCKERFILE.format(base=base, root=CONTAINER_ROOT, interpreter=interpreter)
        (directory / "Dockerfile").write_text(text)
        (directory / "server.py").write_text(SERVER)

    def trial(self, seed: int) -> Trial:
        """Pickle, build, run, and ask until the prediction is right."""
        model, sample = forest(seed)
        question = Question("/predict", sample.tolist(), model.predict(sample).tolist())
        tag = self.new_tag()
        watch = Watch()
        with (self._context / "model.pkl").open("wb") as file:
            pickle.dump(model, file, protocol=pickle.HIGHEST_PROTOCOL)
        watch.lap("pickle")
        self._builder.run("build", "--quiet", "--tag", tag, str(self._context))
        watch.lap("build")
        self.run(tag, question, watch)
        return watch.trial()
