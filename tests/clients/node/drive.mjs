// Drives an MCP server with the TypeScript client library, which rejects results that break a tool's output schema.
//
//     drive.mjs stdio -- COMMAND [ARGUMENT..]
//     drive.mjs http URL TOKEN
//
// Reads a list of steps from stdin and prints one line of JSON per step:
//
//     {"call": TOOL, "arguments": {..}, "meta": {..}}   {"structuredContent", "content", "isError", "_meta"}
//     {"list": true}                                    {"protocol", "server", "instructions", "tools"}
//
// A step the server or the library refused prints {"error": {"code", "message"}}. Exits with 1 when no connection came
// about. Node looks for packages beside the file that imports them: run a copy that lies beside `node_modules`.

import { text } from 'node:stream/consumers';

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const USAGE = 'usage: drive.mjs stdio -- COMMAND [ARGUMENT..] | http URL TOKEN';

function transportFor([kind, ...rest]) {
  if (kind === 'stdio' && rest[0] === '--' && rest.length >= 2) {
    const [, command, ...args] = rest;
    // The library passes on a few variables only; the server needs its SAFE_TOOL_ ones.
    return new StdioClientTransport({ command, args, env: process.env });
  }
  if (kind === 'http' && rest.length === 2) {
    const [url, token] = rest;
    const requestInit = { headers: { Authorization: `Bearer ${token}` } };
    return new StreamableHTTPClientTransport(new URL(url), { requestInit });
  }
  throw new Error(USAGE);
}

async function step(client, negotiated, what) {
  if (what.list) {
    const { tools } = await client.listTools();
    return {
      protocol: negotiated.version,
      server: client.getServerVersion(),
      instructions: client.getInstructions(),
      tools,
    };
  }
  const { call: name, arguments: args, meta: _meta } = what;
  const result = await client.callTool({ name, arguments: args, _meta });
  return { ...result, isError: result.isError ?? false };
}

async function drive(args, script) {
  const client = new Client({ name: 'safe-tool-drive', version: '1.0.0' });
  const transport = transportFor(args);
  // The library tells the transport which revision was negotiated, and nobody else.
  const negotiated = {};
  const announce = transport.setProtocolVersion?.bind(transport);
  transport.setProtocolVersion = (version) => {
    negotiated.version = version;
    announce?.(version);
  };
  await client.connect(transport);
  // The library checks results only of tools whose schema it has seen.
  await client.listTools();
  for (const what of script) {
    let line;
    try {
      line = await step(client, negotiated, what);
    } catch (error) {
      line = { error: { code: error.code ?? null, message: error.message } };
    }
    console.log(JSON.stringify(line));
  }
  await client.close();
}

try {
  await drive(process.argv.slice(2), JSON.parse(await text(process.stdin)));
} catch (error) {
  console.error(`drive.mjs: ${error.message}`);
  process.exit(1);
}
