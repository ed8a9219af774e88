/**
 * A push: items of a session that runs elsewhere become events of its log and rows of its transcript, all in one
 * transaction under the lock of its head. Invariants: the same items again change nothing; whatever order pushes are
 * done in, what their heads' order and finality say stands; what is deleted or goes on in the cloud takes no push.
 */
import { type AgentSessionId, CorralError, type PushAnswer, type SessionId } from '@corral/protocol'
import { eq, sql } from 'drizzle-orm'
import { sessionUuid } from '../../database/columns.ts'
import { session } from '../../database/schema.ts'
import type { Database, Tx } from '../../database/transaction.ts'
import type { Caller, Membership } from '../../identity/caller.ts'
import type { Log } from '../../log/log.ts'
import { findOwned, lockOwned } from '../access.ts'
import { removeBlobs, storeBlob } from '../transcript/blobs.ts'
import { rowChanges } from './changes.ts'
import { externalAgent } from './create.ts'
import { blobIdOf, type PushedItem, readItem } from './item.ts'
import { orderItems, type Standing } from './order.ts'
import { keepParents } from './parents.ts'
import type { PushedTurns } from './turns.ts'

export type BegunPush = {
  caller: Caller
  id: SessionId
  agentSessionId: AgentSessionId
  pushNo: number
  /** The form of what is pushed, as its client says. */
  form: number
}

type SessionRow = typeof session.$inferSelect

export function createPushes(deps: {
  database: Database
  log: Pick<Log, 'appendIn'>
  membership: Membership
  turns: PushedTurns
}) {
  const { database, log, membership, turns } = deps

  return {
    /** When the head of a push has arrived, before its body: draws its number. `session_not_found`, `session_moved_to_cloud`. */
    async begin(caller: Caller, agentSessionId: AgentSessionId, form: number): Promise<BegunPush> {
      const row = await findOwned(database.orm, caller, { agentSessionId })
      requireExternal(row)
      const { rows } = await database.pool.query<{ no: number }>({
        name: 'draw_push_number',
        text: `select nextval('push_order') as no`,
      })
      return { caller, id: row.id, agentSessionId, pushNo: rows[0]?.no ?? 0, form }
    },

    async apply(push: BegunPush, given: readonly unknown[]): Promise<PushAnswer> {
      const { caller, id, agentSessionId, pushNo } = push
      const now = Date.now()
      const read = given.map((item, index) => readItem(item, index, agentSessionId, now))
      const items = read.flatMap((one) => (one.kind === 'item' ? [one.item] : []))
      const skipped = read.flatMap((one) => (one.kind === 'skipped' ? [{ index: one.index, reason: one.reason }] : []))
      const organizations = await organizationsOf(caller, items)
      const counts = await database.transaction(async (tx) => {
        const row = await lockOwned(tx, caller, id)
        requireExternal(row)
        const stored = await storedOf(tx, id, items)
        const order = orderItems(stored, items, pushNo)
        await storeBlobs(tx, id, order.standing, stored)
        await log.appendIn(
          tx,
          id,
          order.accepted.flatMap(({ event }) => event ?? []),
        )
        await keepItems(tx, id, order.standing)
        await confirmItems(tx, id, order.confirmed, pushNo)
        await changeRow(tx, row, current(order, items, stored), organizations, order.accepted.length > 0)
        return { accepted: order.accepted.length, unchanged: order.unchanged }
      })
      turns.pushed(id, { form: push.form, isNews: counts.accepted > 0, items })
      return { success: true, ...counts, skipped }
    },
  }

  async function organizationsOf(caller: Caller, items: readonly PushedItem[]): Promise<Set<string>> {
    const named = new Set(items.flatMap(({ type, data }) => (type === 'kilo_meta' ? [data.orgId] : [])))
    const theirs = new Set<string>()
    for (const id of named) if (typeof id === 'string' && (await membership(caller.userId, id))) theirs.add(id)
    return theirs
  }
}

/** One writer: once it runs here, its supervisor speaks for it. */
function requireExternal({ agentKind, state }: SessionRow): void {
  if (agentKind !== externalAgent || state !== 'unprepared') throw new CorralError('session_moved_to_cloud')
}

/** By `pushed_item_session_id_key_pk`. */
async function storedOf(tx: Tx, id: SessionId, items: readonly PushedItem[]): Promise<Map<string, Standing>> {
  const { rows } = await tx.client.query<{ key: string; push_no: number; finality: number; digest: Buffer }>({
    name: 'pushed_items',
    text: 'select key, push_no, finality, digest from pushed_item where session_id = $1 and key = any ($2)',
    values: [sessionUuid(id), [...new Set(items.map(({ key }) => key))]],
  })
  return new Map(rows.map(({ key, push_no: pushNo, finality, digest }) => [key, { pushNo, finality, digest }]))
}

/** What is replaced takes its blob with it. */
async function storeBlobs(
  tx: Tx,
  id: SessionId,
  standing: ReadonlyMap<string, { item: PushedItem }>,
  stored: ReadonlyMap<string, Standing>,
): Promise<void> {
  const replaced = [...standing.keys()].flatMap((key) => stored.get(key)?.digest ?? [])
  await removeBlobs(tx.client, id, replaced.map(blobIdOf))
  for (const { item } of standing.values()) {
    if (item.blob) await storeBlob(tx.client, id, blobIdOf(item.digest), item.blob)
  }
}

async function keepItems(
  tx: Tx,
  id: SessionId,
  standing: ReadonlyMap<string, Standing & { item: PushedItem }>,
): Promise<void> {
  if (standing.size === 0) return
  const rows = [...standing]
  await tx.client.query({
    name: 'keep_pushed_items',
    text: `insert into pushed_item (session_id, key, push_no, finality, digest, data)
           select $1, * from unnest($2::text[], $3::bigint[], $4::bigint[], $5::bytea[], $6::text[])
           on conflict (session_id, key) do update set push_no = excluded.push_no, finality = excluded.finality,
             digest = excluded.digest, data = excluded.data`,
    values: [
      sessionUuid(id),
      rows.map(([key]) => key),
      rows.map(([, { pushNo }]) => pushNo),
      rows.map(([, { finality }]) => finality),
      rows.map(([, { digest }]) => digest),
      rows.map(([, { item }]) => item.text),
    ],
  })
}

async function confirmItems(tx: Tx, id: SessionId, keys: readonly string[], pushNo: number): Promise<void> {
  if (keys.length === 0) return
  await tx.client.query({
    name: 'confirm_pushed_items',
    text: 'update pushed_item set push_no = $3 where session_id = $1 and key = any ($2) and push_no < $3',
    values: [sessionUuid(id), keys, pushNo],
  })
}

/** Of each key what stands now, as far as this push has said it; also what it has only said again. */
function current(
  { standing }: ReturnType<typeof orderItems>,
  items: readonly PushedItem[],
  stored: ReadonlyMap<string, Standing>,
): PushedItem[] {
  return items.filter((item) => {
    const now = standing.get(item.key)
    return now ? now.item === item : stored.get(item.key)?.digest.equals(item.digest)
  })
}

async function changeRow(
  tx: Tx,
  row: SessionRow,
  standing: readonly PushedItem[],
  organizations: ReadonlySet<string>,
  isNews: boolean,
): Promise<void> {
  const { status, ...changes } = await keepParents(tx, row, rowChanges(row, standing, organizations))
  if (!isNews && status === undefined && Object.keys(changes).length === 0) return
  await tx.orm
    .update(session)
    .set({
      ...changes,
      ...(status !== undefined && { status, statusAt: sql`now()` }),
      activity: sql`nextval('session_activity')`,
      updatedAt: sql`now()`,
    })
    .where(eq(session.id, row.id))
}
