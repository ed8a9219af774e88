/**
 * Holds the real agent at a moment of its own, as a gate holds a model's answer, so that no test depends on who is
 * faster. A held agent can be ended at any time; it goes on when what holds it is let go.
 */
import { execFile } from 'node:child_process'
import { glob, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { type Conversation, checkoutOf } from './conversation.ts'

/** Until this is disposed of, an agent that starts waits for its own configuration, which is a pipe that nobody writes. */
export async function holdStart(conversation: Conversation): Promise<AsyncDisposable> {
  const pipe = join(await checkoutOf(conversation), 'opencode.json')
  await promisify(execFile)('mkfifo', ['-m', '666', pipe])
  return { [Symbol.asyncDispose]: () => rm(pipe) }
}

/** Until this is disposed of, the agent that runs can write nothing down: it has a prompt and cannot begin with it. */
export async function holdWriting(conversation: Conversation): Promise<Disposable> {
  const database = new DatabaseSync(await agentDatabaseOf(conversation))
  database.exec('BEGIN IMMEDIATE')
  return { [Symbol.dispose]: () => database.close() }
}

async function agentDatabaseOf({ corral, session }: Conversation): Promise<string> {
  const folder = join(corral.home, 'sandboxes', '*', 'home', session, '.local', 'share', 'opencode')
  for await (const path of glob(join(folder, 'opencode.db'))) return path
  throw new Error(`the agent of ${session} has no database`)
}
