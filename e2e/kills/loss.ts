/** How the disk of sandboxes is lost, and what tells that nothing of a conversation is lost with it. */
import { glob, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually } from '../harness/eventually.ts'
import type { Installation } from '../harness/installation.ts'
import { type Conversation, callsOf } from './conversation.ts'

/** Waits until nothing of the session is in its sandbox alone, by what its supervisor notes. */
export const allKept = ({ corral, session }: Conversation): Promise<unknown> =>
  eventually('everything to be kept', 20_000, async () => {
    const notes = join(corral.home, 'sandboxes', '*', 'state', 'sessions', `${session}.json`)
    for await (const path of glob(notes)) return JSON.parse(await readFile(path, 'utf8')).unkept === false || null
    return null
  })

/** Moved away in one step, and then removed while their processes may still write. */
export async function loseSandboxes({ folder, home }: Pick<Installation, 'folder' | 'home'>): Promise<void> {
  const lost = join(folder, `lost-${Date.now()}`)
  await rename(join(home, 'sandboxes'), lost)
  await rm(lost, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
}

/** How many messages the model was given with the last call of this turn. */
export async function messagesOf(conversation: Conversation, words: string): Promise<number> {
  return (await callsOf(conversation, words)).at(-1)?.messages ?? 0
}
