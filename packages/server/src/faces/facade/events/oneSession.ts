/** The feed of one session: each event with its number, from which a client that was cut goes on without a hole. */
import type { Log } from '../../../log/log.ts'
import type { Root } from '../../../sessions/reads/roots.ts'
import { connected, createTeller, type TellerDependencies } from './tell.ts'

export async function* oneSession(
  deps: TellerDependencies & { log: Pick<Log, 'follow' | 'lastSeq'> },
  root: Root,
  { global, lastEventId, signal }: { global: boolean; lastEventId: string | null; signal: AbortSignal },
): AsyncGenerator<string, void, undefined> {
  const form = { numbered: true, global }
  const teller = createTeller(deps, root, form)
  const newest = await deps.log.lastSeq(root.id)
  const given = lastEventId !== null && /^\d{1,15}$/.test(lastEventId) ? Number(lastEventId) : null
  // A number that this log has not given: who has it must read again, and is told only what comes.
  const after = given !== null && given <= newest ? given : newest
  yield connected(form)
  for await (const frames of deps.log.follow(root.id, { after, signal })) {
    const text = await teller.tell(frames)
    if (text !== '') yield text
  }
}
