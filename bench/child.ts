/** A part of a benchmark that runs as a process of its own, so that its work is not taken for that of what is measured. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export type Child<To extends object, From> = AsyncDisposable & {
  /** Says something and waits for the answer; one at a time. */
  ask(message: To): Promise<From>
}

const answerMs = 300_000

/** `file` is beside this one. */
export function startChild<To extends object, From>(file: string): Child<To, From> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)))
  return {
    async ask(message) {
      const answer = once(child, 'message', { signal: AbortSignal.timeout(answerMs) })
      const died = once(child, 'exit').then(([code]) => Promise.reject(new Error(`${file} ended with ${code}`)))
      died.catch(() => {})
      child.send(message)
      const [heard] = await Promise.race([answer, died])
      return heard
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill()
      await once(child, 'exit')
    },
  }
}
