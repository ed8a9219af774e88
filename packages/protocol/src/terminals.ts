/**
 * Terminals in a session's sandbox: what is asked about them, and the frames on the sockets that carry them. Bytes are
 * binary frames, in both directions; everything else is JSON text. A side that shows the bytes says how many it has shown
 * (`ack`), and no more than a window of them is on its way at any time. Source: 30-cloud-agent-api §4, §8.
 */
import { z } from 'zod'
import { wholeNumber } from './cloud-agent/fields.ts'
import { sessionNamed, sessionNames } from './cloud-agent/names.ts'

export const terminalLimits = {
  perSession: 4,
  /** Sent to whoever shows them, and not said to be shown. */
  windowBytes: 256 * 1024,
  /** What has been shown and is shown again to the next viewer. */
  scrollbackBytes: 256 * 1024,
  /** What a program has written and nobody has taken; past that it waits. */
  unseenBytes: 256 * 1024,
  /** One binary frame. */
  frameBytes: 64 * 1024,
  /** What one terminal may send to its viewer. */
  bytesPerSecond: 16 * 1024 * 1024,
} as const

export const ptyIdSchema = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,128}$/, 'must be 1 to 128 letters, digits, "_" and "-"')
  .brand<'PtyId'>()
export type PtyId = z.infer<typeof ptyIdSchema>
export const newPtyId = (): PtyId => ptyIdSchema.parse(`pty_${crypto.randomUUID()}`)

const cols = wholeNumber(2, 500)
const rows = wholeNumber(2, 200)
export const terminalSizeSchema = z.strictObject({ cols, rows })
export type TerminalSize = z.infer<typeof terminalSizeSchema>

export const createTerminalInput = sessionNamed(
  z
    .strictObject({ ...sessionNames, cols: cols.optional(), rows: rows.optional() })
    .refine((input) => (input.cols === undefined) === (input.rows === undefined), {
      message: 'cols and rows are given together',
      path: ['cols'],
    }),
)
export const resizeTerminalInput = sessionNamed(z.strictObject({ ...sessionNames, ptyId: ptyIdSchema, cols, rows }))
export const closeTerminalInput = sessionNamed(z.strictObject({ ...sessionNames, ptyId: ptyIdSchema }))
export const listTerminalsInput = sessionNamed(z.strictObject({ ...sessionNames }))

export type TerminalView = TerminalSize & {
  ptyId: PtyId
  /** Somebody looks at it. */
  attached: boolean
}

/**
 * Why a terminal is over: its shell has ended; somebody closed it; nobody typed for long, or nobody looked; its session is
 * gone from the sandbox, or the sandbox stops.
 */
export const terminalEndReasons = ['exited', 'closed', 'idle', 'unattended', 'released', 'stopped'] as const
export type TerminalEndReason = (typeof terminalEndReasons)[number]

/** Close codes of the viewer's socket. After any but these of an end, the terminal may live on: see `isTerminalOver`. */
export const terminalClose = {
  exited: 1000,
  protocolError: 1008,
  ourFault: 1011,
  /** The server stops; come again. */
  stopping: 1012,
  /** The sandbox is not there now. Whether the terminal is, the next socket tells. */
  lost: 1013,
  accessEnded: 4403,
  /** The session was deleted. */
  deleted: 4404,
  /** Nobody typed, or nobody looked, for too long. */
  idle: 4408,
  /** Another viewer has it now. */
  taken: 4409,
  /** It was closed, or its sandbox stopped. */
  closed: 4410,
} as const
export type TerminalClose = keyof typeof terminalClose

export const closeOfEnd = {
  exited: 'exited',
  closed: 'closed',
  idle: 'idle',
  unattended: 'idle',
  released: 'closed',
  stopped: 'closed',
} as const satisfies Record<TerminalEndReason, TerminalClose>

/** To whoever shows the terminal: first its size, what was shown before and what comes; last, how it ended. */
export const terminalNewsSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('attached'), cols, rows }),
  z.strictObject({
    type: z.literal('ended'),
    reason: z.enum(terminalEndReasons),
    /** Of the shell, where it ended by itself; 128 and the number for a signal. */
    exitCode: z.number().int().min(0).max(255).nullable(),
  }),
])
export type TerminalNews = z.infer<typeof terminalNewsSchema>
export type TerminalEnd = Omit<Extract<TerminalNews, { type: 'ended' }>, 'type'>

/** From whoever shows it: so many more bytes of output have been shown. */
export const terminalAckSchema = z.strictObject({
  type: z.literal('ack'),
  bytes: z.number().int().positive().max(terminalLimits.windowBytes),
})
export type TerminalAck = z.infer<typeof terminalAckSchema>
