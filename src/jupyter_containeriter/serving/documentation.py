"""The routes that tell how to ask: ``/openapi.json``, and the page ``/docs`` made from it in the browser.

Nothing of this is made before somebody asks for it.
"""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from .responses import json_response
from .service import Service


async def openapi(service: Service, request: Request) -> Response:
    """Describe the routes and the live version's types."""
    from .openapi import document

    # In a thread of its own: of thousands of columns it takes longer than others should wait.
    described = await asyncio.to_thread(document, service.live(), secured=bool(service.keys.client))
    return json_response(described)


async def docs(service: Service, request: Request) -> Response:
    """Show a page on which a person tries the model; it holds nothing of the model and no token."""
    content, policy = page()
    headers = {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-cache",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(content, headers=headers, media_type="text/html")


@cache
def page() -> tuple[bytes, str]:
    """Return the page, and the policy that lets run what is written in it and nothing else."""
    content = Path(__file__).with_name("docs.html").read_bytes()
    allowed = " ".join(f"{kind}-src {_hashes(content, kind)};" for kind in ("script", "style"))
    policy = f"default-src 'none'; {allowed} connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'"
    return content, f"{policy}; frame-ancestors 'none'"


def _hashes(page: bytes, element: str) -> str:
    found = re.findall(rf"<{element}>(.*?)</{element}>".encode(), page, re.DOTALL)
    return " ".join(f"'sha256-{b64encode(sha256(text).digest()).decode('ascii')}'" for text in found)
