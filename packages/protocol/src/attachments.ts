/** Files that come with a prompt: uploaded before and named by their content, or already in the workspace. */
import { z } from 'zod'
import { MiB } from './limits.ts'

export const attachmentLimits = {
  perPrompt: 5,
  bytes: 5 * MiB,
  /** Of one session, over its whole life. */
  sessionBytes: 256 * MiB,
  /** What one user has uploaded and not yet used, and how long that stays. */
  waitingBytes: 100 * MiB,
  waitingMs: 24 * 60 * 60_000,
} as const

/** What models read; everything else is refused when it comes. */
export const attachmentTypes = [
  'text/plain',
  'application/pdf',
  'image/png',
  'image/jpeg',
  'image/gif',
  'image/webp',
] as const
export type AttachmentType = (typeof attachmentTypes)[number]

export const contentHashSchema = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits')

export const promptFileSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('attachment'),
    sha256: contentHashSchema,
    bytes: z.number().int().nonnegative(),
    /** As its sender calls it: whoever makes a file of it makes the name safe. */
    filename: z.string(),
    mime: z.enum(attachmentTypes),
  }),
  z.object({
    kind: z.literal('workspace'),
    /** Relative, with `/`, and without `..`. */
    path: z.string().min(1),
    mime: z.string(),
  }),
])
export type PromptFile = z.infer<typeof promptFileSchema>

/** What an editor shows while a prompt is written; its paths are relative to the workspace. Of Kilo alone. */
export const editorContextSchema = z.strictObject({
  visibleFiles: z.array(z.string().max(4_096)).max(200).optional(),
  openTabs: z.array(z.string().max(4_096)).max(200).optional(),
  activeFile: z.string().max(4_096).optional(),
  shell: z.string().max(255).optional(),
})
export type EditorContext = z.infer<typeof editorContextSchema>

/** On the server's door, with the token of the link. */
export const attachmentPath = (session: string, sha256: string): string => `/attachments/${session}/${sha256}`

export type UploadedAttachment = { sha256: string; bytes: number; mimeType: AttachmentType }
