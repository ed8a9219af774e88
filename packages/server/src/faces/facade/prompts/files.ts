/**
 * Files of a prompt as the SDKs write them: `data:` URLs, whose bytes become attachments, and `file:` URLs below the
 * session's virtual folder, which name files of the workspace. Anything else is nothing that a sandbox could reach.
 */
import { attachmentLimits, CorralError, type PromptFile } from '@corral/protocol'
import type { AttachmentContent, Attachments } from '../../../sessions/attachments/attach.ts'
import { checkedContent } from '../../../sessions/attachments/uploads.ts'
import { FacadeRefusal } from '../refusal.ts'

const code = 'KILO_BASIC_PROMPT_UNSUPPORTED'

export type FilePart = { mime: string; filename?: string | undefined; url: string }
type WorkspaceFile = Extract<PromptFile, { kind: 'workspace' }>
export type Files = { attachments: Attachments; contents: AttachmentContent[]; workspaceFiles: WorkspaceFile[] }

/** `directory`: the session's virtual folder. */
export function readFiles(parts: readonly FilePart[], directory: string): Files {
  if (parts.length > attachmentLimits.perPrompt)
    throw new FacadeRefusal(code, `parts: must have at most ${attachmentLimits.perPrompt} files.`)
  const files: Files = { attachments: [], contents: [], workspaceFiles: [] }
  for (const [i, { mime, filename, url }] of parts.entries()) {
    const content = bytesOf(url)
    if (content) {
      const { sha256, mime: found } = checked(content, i)
      files.attachments.push({ sha256, filename: filename || `file-${i + 1}` })
      files.contents.push({ sha256, mime: found, data: content })
    } else {
      const path = workspacePath(url, directory)
      if (path === null)
        throw new FacadeRefusal(code, `parts: a file's url must be a data: URL, or file:// below ${directory}.`)
      files.workspaceFiles.push({ kind: 'workspace', path, mime })
    }
  }
  return files
}

function checked(content: Buffer, i: number) {
  try {
    return checkedContent(content, `file ${i + 1}`)
  } catch (error) {
    if (!(error instanceof CorralError)) throw error
    const [detail] = Array.isArray(error.details) ? error.details : []
    throw new FacadeRefusal(code, `file ${i + 1}: ${detail?.message ?? 'is not taken'}.`)
  }
}

/** Null where it is no `data:` URL. */
function bytesOf(url: string): Buffer | null {
  const [, head, body] = /^data:([^,]*),(.*)$/is.exec(url) ?? []
  if (head === undefined || body === undefined) return null
  if (/;base64$/i.test(head)) return Buffer.from(body, 'base64')
  try {
    return Buffer.from(decodeURIComponent(body))
  } catch (error) {
    if (error instanceof URIError) throw new FacadeRefusal(code, 'parts: a data: URL is not encoded as one.')
    throw error
  }
}

/** Null where it leads elsewhere. A `URL` has resolved dots before it is looked at. */
function workspacePath(url: string, directory: string): string | null {
  const parsed = URL.parse(url)
  if (parsed?.protocol !== 'file:' || parsed.host !== '' || !parsed.pathname.startsWith(`${directory}/`)) return null
  try {
    const path = decodeURIComponent(parsed.pathname.slice(directory.length + 1))
    const parts = path.split('/')
    return path.includes('\0') || parts.some((part) => part === '' || part === '.' || part === '..') ? null : path
  } catch (error) {
    if (error instanceof URIError) return null
    throw error
  }
}
