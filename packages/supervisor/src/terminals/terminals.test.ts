import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import {
  type DownParams,
  newPtyId,
  newSessionId,
  type PtyId,
  type TerminalNews,
  terminalLimits,
} from '@corral/protocol'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { processesWith } from '../host/processes.ts'
import { createFolder } from '../testing/folder.ts'
import { createTerminals, type Terminals } from './terminals.ts'

const session = newSessionId()
const timeouts = { idleMs: 60_000, unattendedMs: 60_000 }

let folder: ReturnType<typeof createFolder>
let http: Server
let terminals: Terminals
/** Who dialed, by path. */
let dialed: Map<string, (socket: WebSocket) => void>

beforeEach(async () => {
  folder = createFolder()
  dialed = new Map()
  const webSockets = new WebSocketServer({ noServer: true })
  http = createServer()
  http.on('upgrade', (request, stream, head) => {
    webSockets.handleUpgrade(request, stream, head, (socket) => dialed.get(request.url ?? '')?.(socket))
  })
  const door = join(folder.path, 'server.sock')
  await new Promise<void>((resolve) => http.listen(door, resolve))
  terminals = createTerminals({
    door,
    token: 'link-token',
    placeOf: (id) =>
      id === session ? { cwd: folder.path, environment: { PATH: '/usr/bin:/bin', HOME: folder.path } } : null,
    log: () => undefined,
  })
})
afterEach(async () => {
  await terminals.stop()
  http.closeAllConnections()
  await new Promise((resolve) => http.close(resolve))
  folder.remove()
})

async function open(change: Partial<DownParams<'terminal.open'>> = {}): Promise<PtyId> {
  const ptyId = newPtyId()
  await terminals.command('terminal.open', { session, ptyId, cols: 80, rows: 24, environment: {}, timeouts, ...change })
  return ptyId
}

/** Looks at a terminal, and says at once that it has seen what it got unless `stalled`. */
async function look(ptyId: PtyId, options: { stalled?: boolean } = {}) {
  const channel = crypto.randomUUID()
  const arrived = new Promise<WebSocket>((resolve) => dialed.set(`/terminals/${channel}`, resolve))
  await terminals.command('terminal.attach', { session, ptyId, channel })
  const socket = await arrived
  const news: TerminalNews[] = []
  const seen = { text: '', bytes: 0, unacked: 0, stalled: options.stalled ?? false }
  let closedWith: number | null = null
  const ack = () => {
    if (seen.stalled || seen.unacked === 0) return
    socket.send(JSON.stringify({ type: 'ack', bytes: seen.unacked }))
    seen.unacked = 0
  }
  socket.on('message', (data: Buffer, isBinary) => {
    if (!isBinary) return void news.push(JSON.parse(data.toString()))
    seen.bytes += data.length
    seen.unacked += data.length
    seen.text = (seen.text + data.toString('latin1')).slice(-100_000)
    ack()
  })
  socket.on('close', (code) => {
    closedWith = code
  })
  return {
    socket,
    news,
    seen,
    type: (text: string) => socket.send(Buffer.from(text)),
    until: (wanted: string | RegExp) =>
      vi.waitFor(() => expect(seen.text).toMatch(wanted), { timeout: 8_000, interval: 10 }),
    closed: () => vi.waitFor(() => expect(closedWith).not.toBeNull(), 8_000).then(() => closedWith),
    goOn() {
      seen.stalled = false
      ack()
    },
  }
}

describe('a terminal', () => {
  it('echoes what is typed, has the size that was asked for, and takes another', async () => {
    const ptyId = await open({ cols: 100, rows: 30 })
    const viewer = await look(ptyId)
    viewer.type('stty size; echo "$TERM"\n')
    await viewer.until(/30 100\r\nxterm-256color/)
    expect(viewer.news).toEqual([{ type: 'attached', cols: 100, rows: 30 }])
    viewer.type(`sh -c 'trap "echo now \\$(stty size)" WINCH; echo loop-$((1 + 1)); while :; do sleep 0.05; done'\n`)
    await viewer.until(/loop-2/)
    for (const cols of [90, 91, 92]) await terminals.command('terminal.resize', { session, ptyId, cols, rows: 31 })
    await viewer.until(/now 31 92/)
  })

  it('ends what runs in front at Ctrl-C, and itself with the exit code of its shell', async () => {
    const viewer = await look(await open())
    viewer.type('sh -c "echo begun-$((1 + 1)); exec sleep 600"\n')
    await viewer.until(/begun-2/)
    viewer.type('\u0003')
    viewer.type('echo "ended-$?"\n')
    await viewer.until(/ended-130/)
    viewer.type('exit 7\n')
    expect(await viewer.closed()).toBe(1000)
    expect(viewer.news.at(-1)).toEqual({ type: 'ended', reason: 'exited', exitCode: 7 })
    expect(await terminals.command('terminal.list', { session })).toEqual({ terminals: [] })
  })

  it('waits for a viewer who takes nothing, and loses nothing of what it then takes', async () => {
    const viewer = await look(await open(), { stalled: true })
    viewer.type("stty -echo; head -c 5000000 /dev/zero | tr '\\0' x; echo END\n")
    await vi.waitFor(() => expect(viewer.seen.bytes).toBe(terminalLimits.windowBytes), 8_000)
    viewer.goOn()
    await viewer.until(/xEND/)
    expect(viewer.seen.bytes).toBeGreaterThan(5_000_000)
  })

  it('goes on without its viewer, and shows the next one what was seen and what was not', async () => {
    const ptyId = await open()
    const first = await look(ptyId)
    first.type('echo one-$((40 + 2))\n')
    await first.until(/one-42/)
    first.type('(sleep 0.1; echo two-$((40 + 3))) &\n')
    first.socket.close()
    await first.closed()
    const second = await look(ptyId)
    await second.until(/one-42[\s\S]*two-43/)
    const third = await look(ptyId)
    expect(await second.closed()).toBe(4409)
    await third.until(/two-43/)
    expect(await terminals.command('terminal.list', { session })).toMatchObject({
      terminals: [{ ptyId, attached: true }],
    })
  })

  it('takes more input than its program reads, later', async () => {
    const viewer = await look(await open())
    viewer.type('stty raw -echo; echo go-$((1 + 1)); sleep 0.5; echo got-$(head -c 400000 | wc -c); stty sane\n')
    await viewer.until(/go-2/)
    for (let i = 0; i < 8; i++) viewer.type('y'.repeat(50_000))
    await viewer.until(/got-400000/)
  })

  it('is over when nobody looks, or nobody types, for long enough', async () => {
    await open({ timeouts: { idleMs: 60_000, unattendedMs: 50 } })
    await vi.waitFor(() => expect(terminals.count()).toBe(0), 8_000)
    const idle = await look(await open({ timeouts: { idleMs: 2_000, unattendedMs: 60_000 } }))
    expect(await idle.closed()).toBe(4408)
    expect(idle.news.at(-1)).toMatchObject({ reason: 'idle' })
  })

  it('leaves nothing behind when it is closed, not even what it has put in the background', async () => {
    const ptyId = await open()
    const viewer = await look(ptyId)
    viewer.type('setsid sleep 601 & nohup sleep 602 &\necho ready-$((1 + 1))\n')
    await viewer.until(/ready-2/)
    expect(processesWith(`CORRAL_TERMINAL=${ptyId}`).length).toBeGreaterThan(3)
    await terminals.command('terminal.close', { session, ptyId })
    expect(await viewer.closed()).toBe(4410)
    await vi.waitFor(() => expect(processesWith(`CORRAL_TERMINAL=${ptyId}`)).toEqual([]), 8_000)
  })

  it('is refused without a workspace, beyond four, and to whom it does not belong', async () => {
    await expect(open({ session: newSessionId() })).rejects.toMatchObject({ code: 1 })
    const [ptyId] = await Promise.all([open(), open(), open(), open()])
    await expect(open()).rejects.toMatchObject({ code: 7 })
    const other = { session: newSessionId(), ptyId }
    await expect(terminals.command('terminal.close', other)).rejects.toMatchObject({ code: 6 })
    await terminals.release(session)
    expect(terminals.count()).toBe(0)
  })
})
