// The supervisor of the conformance suite: dials the server's door, for ever, says hello, and runs the commands that
// it is sent, so that the tests can look at a sandbox from inside.
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'

const boot = JSON.parse(readFileSync('/corral/state/boot.json', 'utf8'))
const incarnation = nextIncarnation('/corral/state/incarnation')
process.on('SIGTERM', () => {
  writeFileSync('/workspace/ended-by-itself', '')
  process.exit()
})
dial()

function dial() {
  const socket = connect(boot.doors.server)
  const send = (message) => socket.write(`${JSON.stringify(message)}\n`)
  const memoryKib = Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1])
  socket.on('connect', () => send({ hello: { bootId: boot.bootId, incarnation, pid: process.pid, memoryKib } }))
  socket.on('error', () => {}) // `close` follows and dials again
  socket.on('close', () => setTimeout(dial, 20))
  const lines = createInterface({ input: socket })
  lines.on('error', () => {})
  lines.on('line', (line) => {
    const { id, command } = JSON.parse(line)
    execFile(command[0], command.slice(1), { timeout: 10_000, cwd: '/workspace' }, (error, stdout, stderr) =>
      send({ id, code: error ? error.code : 0, stdout, stderr }),
    )
  })
}

function nextIncarnation(path) {
  let last = 0
  try {
    last = Number(readFileSync(path, 'utf8'))
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
  }
  writeFileSync(path, `${last + 1}`)
  return last + 1
}
