/**
 * What a user has uploaded and not yet used. Invariants: bytes are what their name says; how much waits for one user is
 * bounded, and nothing waits longer than a day.
 */
import { createHash } from 'node:crypto'
import { attachmentLimits, CorralError, invalidInput, type UploadedAttachment } from '@corral/protocol'
import type { Database } from '../../database/transaction.ts'
import type { Caller } from '../../identity/caller.ts'
import { typeOf } from './type.ts'

export type Uploads = ReturnType<typeof createUploads>

/** `field`: how a refusal names them. */
export function checkedContent(data: Buffer, field: string): { sha256: string; mime: UploadedAttachment['mimeType'] } {
  if (data.length === 0) throw invalidInput(field, 'is empty')
  if (data.length > attachmentLimits.bytes) throw invalidInput(field, 'must have at most 5 MiB')
  const mime = typeOf(data)
  if (!mime) throw invalidInput(field, 'must be text (UTF-8), a PDF, or an image: PNG, JPEG, GIF or WebP')
  return { sha256: createHash('sha256').update(data).digest('hex'), mime }
}

export function createUploads({ database }: { database: Database }) {
  return {
    /** Again is the same, and begins its day anew. */
    async add(caller: Caller, sha256: string, data: Buffer): Promise<UploadedAttachment> {
      const content = checkedContent(data, 'request')
      if (content.sha256 !== sha256) throw invalidInput('sha256', 'is not the hash of the bytes that were sent')
      await database.transaction(async (tx) => {
        // One at a time for each user, or their sum could not be told.
        await tx.client.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`uploads ${caller.userId}`])
        // By `upload_at`.
        await tx.client.query(`delete from upload where at < now() - $1 * interval '1 ms'`, [
          attachmentLimits.waitingMs,
        ])
        // By `upload_user_id_sha256_pk`.
        const { rows } = await tx.client.query<{ bytes: number }>(
          `select coalesce(sum(bytes), 0)::float8 as bytes from upload where user_id = $1 and sha256 <> $2`,
          [caller.userId, sha256],
        )
        if ((rows[0]?.bytes ?? 0) + data.length > attachmentLimits.waitingBytes) {
          throw new CorralError('body_too_large', {
            sentence: 'You have 100 MiB of attachments that no message has used; use some of them, or wait a day.',
          })
        }
        await tx.client.query(
          `insert into upload (user_id, sha256, bytes, mime, data) values ($1, $2, $3, $4, $5)
           on conflict (user_id, sha256) do update set at = now()`,
          [caller.userId, sha256, data.length, content.mime, data],
        )
      })
      return { sha256, bytes: data.length, mimeType: content.mime }
    },
  }
}
