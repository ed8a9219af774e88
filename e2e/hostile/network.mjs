// Tries to get out of the sandbox by every network there could be. Arguments: host:port or the path of a socket.
import { createSocket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'

const patienceMs = 2_000

const reach = (target) =>
  new Promise((resolve) => {
    const at = target.lastIndexOf(':')
    const socket = connect(
      target.startsWith('/') ? { path: target } : { host: target.slice(0, at), port: Number(target.slice(at + 1)) },
    )
    const end = (how) => {
      socket.destroy()
      resolve([target, how])
    }
    socket.setTimeout(patienceMs, () => end('silent'))
    socket.on('connect', () => end('connected'))
    socket.on('error', (error) => end(error.code))
  })

const udp = (host, port) =>
  new Promise((resolve) => {
    const socket = createSocket('udp4')
    socket.on('error', (error) => resolve(error.code))
    socket.send('hello', port, host, (error) => {
      socket.close()
      resolve(error ? error.code : 'sent')
    })
  })

const overSocket = (socketPath, path, headers = {}) =>
  new Promise((resolve) => {
    const call = request({ socketPath, path, headers, timeout: patienceMs }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    call.on('upgrade', (response, socket) => {
      socket.destroy()
      resolve(response.statusCode)
    })
    call.on('timeout', () => call.destroy(new Error('silent')))
    call.on('error', (error) => resolve(error.code ?? error.message))
    call.end()
  })

function socketsBelow(folder) {
  if (folder === '/proc' || folder === '/sys') return []
  let names = []
  try {
    names = readdirSync(folder, { withFileTypes: true })
  } catch {
    return [] // not for us
  }
  return names.flatMap((entry) => {
    const path = `${folder === '/' ? '' : folder}/${entry.name}`
    if (entry.isDirectory()) return socketsBelow(path)
    return entry.isSocket() ? [path] : []
  })
}

const upgrade = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
}

console.log(
  JSON.stringify({
    interfaces: readFileSync('/proc/net/dev', 'utf8')
      .split('\n')
      .flatMap((line) => /^\s*(\S+):/.exec(line)?.[1] ?? []),
    reached: Object.fromEntries(await Promise.all(process.argv.slice(2).map(reach))),
    udp: await udp('8.8.8.8', 53),
    name: await lookup('example.com').then(
      () => 'resolved',
      (error) => error.code,
    ),
    sockets: socketsBelow('/'),
    serverDoor: {
      health: await overSocket('/corral/doors/server.sock', '/trpc/health'),
      linkWithoutToken: await overSocket('/corral/doors/server.sock', '/', {
        ...upgrade,
        'sec-websocket-protocol': 'corral-link.1',
      }),
    },
    gatewayWithoutToken: await overSocket('/corral/doors/gateway.sock', '/v1/models'),
    doorsAreWritable: (statSync('/corral/doors').mode & 0o002) !== 0,
  }),
)
