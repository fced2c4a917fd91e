"""Drives an MCP server with the Python client library, so that what answers is judged by a client that is not ours.

    drive.py stdio -- COMMAND [ARGUMENT..]
    drive.py http URL TOKEN

Reads a list of steps from stdin and prints one line of JSON per step:

    {"call": TOOL, "arguments": {..}, "meta": {..}}   {"structuredContent", "content", "isError", "_meta"}
    {"list": true}                                    {"protocol", "server", "instructions", "tools"}

A step the server or the library refused prints {"error": {"code", "message"}}; the code is null when the library
refused what the server answered. Exits with 1 when no connection came about.
"""

import asyncio
import contextlib
import json
import os
import sys

import httpx2
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

# Longer than any tool of the examples takes: only a call that is never answered gets here.
ANSWER_SECONDS = 60


def raw(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


async def step(client, what):
    if "list" in what:
        server = client.server_info
        tools = (await client.list_tools()).tools
        return {
            "protocol": client.protocol_version,
            "server": raw(server) if server else None,
            "instructions": client.instructions,
            "tools": [raw(tool) for tool in tools],
        }
    return raw(await client.call_tool(what["call"], what.get("arguments"), meta=what.get("meta")))


async def answer(client, what):
    try:
        return await step(client, what)
    except MCPError as error:
        return {"error": {"code": error.code, "message": str(error)}}
    except RuntimeError as error:
        # What the library raises when a result breaks the tool's output schema.
        return {"error": {"code": None, "message": str(error)}}


async def drive(arguments, script):
    async with contextlib.AsyncExitStack() as stack:
        match arguments:
            case ["stdio", "--", command, *rest]:
                # The library passes on a few variables only; the server needs its SAFE_TOOL_ ones.
                server = StdioServerParameters(command=command, args=rest, env=dict(os.environ))
            case ["http", url, token]:
                http = httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=ANSWER_SECONDS)
                server = streamable_http_client(url, http_client=await stack.enter_async_context(http))
            case _:
                sys.exit(__doc__)
        client = await stack.enter_async_context(Client(server, read_timeout_seconds=ANSWER_SECONDS))
        for what in script:
            print(json.dumps(await answer(client, what), ensure_ascii=False), flush=True)


asyncio.run(drive(sys.argv[1:], json.load(sys.stdin)))
