// The server's end of the door in the conformance suite: knows which sandboxes have said hello, and asks them to run
// commands. A sandbox's newest connection is the one that counts.
import { EventEmitter, once } from 'node:events'
import { chmodSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { z } from 'zod'

const helloSchema = z.object({
  bootId: z.string(),
  incarnation: z.number(),
  pid: z.number(),
  memoryKib: z.number(),
})
const answerSchema = z.object({
  id: z.number(),
  code: z.union([z.number(), z.string(), z.null()]),
  stdout: z.string(),
  stderr: z.string(),
})
const messageSchema = z.union([z.object({ hello: helloSchema }), answerSchema])

export type Hello = z.infer<typeof helloSchema>
export type Answer = z.infer<typeof answerSchema>

const waitMs = 10_000

export async function openDoor(path: string) {
  const guests = new Map<string, { hello: Hello; socket: Socket }>()
  const answers = new Map<number, (answer: Answer) => void>()
  const greeted = new EventEmitter()
  let asked = 0

  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    createInterface({ input: socket }).on('line', (line) => {
      const message = messageSchema.parse(JSON.parse(line))
      if ('hello' in message) {
        guests.set(message.hello.bootId, { hello: message.hello, socket })
        greeted.emit('hello')
      } else answers.get(message.id)?.(message)
    })
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  chmodSync(path, 0o666)

  async function guest(bootId: string, incarnation: number) {
    const signal = AbortSignal.timeout(waitMs)
    for (;;) {
      const found = guests.get(bootId)
      if (found && found.hello.incarnation >= incarnation) return found
      await once(greeted, 'hello', { signal })
    }
  }

  return {
    hello: async (bootId: string, incarnation = 1) => (await guest(bootId, incarnation)).hello,
    async run(bootId: string, command: string[]): Promise<Answer> {
      const { socket } = await guest(bootId, 1)
      const id = ++asked
      return new Promise((resolve, reject) => {
        const timeout = setTimeout(() => reject(new Error(`No answer to ${command.join(' ')}`)), waitMs)
        answers.set(id, (answer) => {
          clearTimeout(timeout)
          resolve(answer)
        })
        socket.write(`${JSON.stringify({ id, command })}\n`)
      })
    },
    async close() {
      for (const { socket } of guests.values()) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
