/**
 * Attachments become a session's own in the transaction that admits their message: from then on no day's end, no other
 * message and no restart takes them away, and they go with the session. Invariant: what a session holds is bounded.
 */
import {
  type AttachmentType,
  attachmentLimits,
  invalidInput,
  type PrepareSessionInput,
  type PromptFile,
  type SessionId,
} from '@corral/protocol'
import { sessionUuid } from '../../database/sessionUuid.ts'
import type { Tx } from '../../database/transaction.ts'

export type Attachments = NonNullable<PrepareSessionInput['attachments']>
/** What came with the message itself. */
export type AttachmentContent = { sha256: string; mime: AttachmentType; data: Buffer }

/** Throws `invalid_input` for what was never uploaded, or too long ago. */
export async function attach(
  tx: Tx,
  owner: { userId: string; sessionId: SessionId },
  attachments: Attachments,
  contents: readonly AttachmentContent[] = [],
): Promise<PromptFile[]> {
  const files: PromptFile[] = []
  for (const [i, { sha256, filename }] of attachments.entries()) {
    const content = contents.find((candidate) => candidate.sha256 === sha256)
    const kept = content
      ? await keep(tx, owner.sessionId, content)
      : ((await known(tx, owner.sessionId, sha256)) ?? (await takeUpload(tx, owner, sha256)))
    if (!kept) throw invalidInput(`attachments.${i}.sha256`, 'was not uploaded by you within the last day')
    files.push({ kind: 'attachment', sha256, filename, ...kept })
  }
  if (attachments.length > 0) await refuseTooMuch(tx, owner.sessionId)
  return files
}

type Kept = { bytes: number; mime: AttachmentType }

/** By `attachment_session_id_sha256_pk`, as all of these. */
async function known(tx: Tx, session: SessionId, sha256: string): Promise<Kept | undefined> {
  const { rows } = await tx.client.query<Kept>(
    'select bytes, mime from attachment where session_id = $1 and sha256 = $2',
    [sessionUuid(session), sha256],
  )
  return rows[0]
}

async function keep(tx: Tx, session: SessionId, { sha256, mime, data }: AttachmentContent): Promise<Kept> {
  await tx.client.query(
    `insert into attachment (session_id, sha256, bytes, mime, data) values ($1, $2, $3, $4, $5)
     on conflict do nothing`,
    [sessionUuid(session), sha256, data.length, mime, data],
  )
  return { bytes: data.length, mime }
}

/** The upload stays: its user may mean it for another session, too. */
async function takeUpload(
  tx: Tx,
  { userId, sessionId }: { userId: string; sessionId: SessionId },
  sha256: string,
): Promise<Kept | undefined> {
  const { rows } = await tx.client.query<Kept>(
    `insert into attachment (session_id, sha256, bytes, mime, data)
     select $1, sha256, bytes, mime, data from upload
     where user_id = $2 and sha256 = $3 and at >= now() - $4 * interval '1 ms'
     returning bytes, mime`,
    [sessionUuid(sessionId), userId, sha256, attachmentLimits.waitingMs],
  )
  return rows[0]
}

async function refuseTooMuch(tx: Tx, session: SessionId): Promise<void> {
  const { rows } = await tx.client.query<{ bytes: number }>(
    'select coalesce(sum(bytes), 0)::float8 as bytes from attachment where session_id = $1',
    [sessionUuid(session)],
  )
  if ((rows[0]?.bytes ?? 0) <= attachmentLimits.sessionBytes) return
  throw invalidInput('attachments', 'are too many for this session, which may have 256 MiB of them; begin another one')
}
