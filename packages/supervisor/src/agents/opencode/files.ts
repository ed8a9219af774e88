/**
 * Files of a prompt, as the agent takes them: attachments are fetched from the server into the session's home, files of the
 * workspace are named where they lie. Invariants: whatever a file is called, it becomes one file in its own folder; what
 * is named of the workspace lies in it; a server that is away for a while delays the prompt and loses nothing of it.
 */
import { mkdirSync, realpathSync, rmSync } from 'node:fs'
import { join, sep } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import type { Blob, ExecuteParams, PromptFile } from '@corral/protocol'
import { StoreRefused } from '../../checkpoints/store.ts'
import { errorText } from '../../host/errorCode.ts'
import { PromptNotRun } from './promptNotRun.ts'

export type FilePart = { type: 'file'; mime: string; filename: string; url: string }
/** Puts an attachment into a file that is not there yet. */
export type FetchAttachment = (file: Blob, path: string, signal: AbortSignal) => Promise<void>

const againMs = 1_000
const awayMs = 10 * 60_000
const mostCharacters = 100

/** One name in one folder, and none that is hidden or that a shell or a URL reads as more than that. */
export function safeName(filename: string): string {
  const last = filename.split(/[/\\]/).at(-1) ?? ''
  const plain = last
    .normalize('NFC')
    .replace(/[^\p{L}\p{N}._-]+/gu, '_')
    .replace(/^[._-]+/, '')
  return (
    [...plain]
      .slice(-mostCharacters)
      .join('')
      .replace(/^[._-]+/, '') || 'file'
  )
}

export async function filePartsOf(
  { files, home, messageId, workspacePath }: Pick<ExecuteParams, 'files' | 'home' | 'messageId' | 'workspacePath'>,
  fetch: FetchAttachment,
  signal: AbortSignal,
): Promise<FilePart[]> {
  const folder = join(home, '.corral', 'attachments', messageId)
  rmSync(folder, { recursive: true, force: true })
  const parts: FilePart[] = []
  for (const [i, file] of files.entries()) {
    if (file.kind === 'workspace') {
      parts.push({ type: 'file', mime: file.mime, ...named(placeIn(workspacePath, file), file.path) })
      continue
    }
    const own = join(folder, String(i))
    mkdirSync(own, { recursive: true, mode: 0o700 })
    const path = join(own, safeName(file.filename))
    await fetched(() => fetch({ hash: file.sha256, bytes: file.bytes }, path, signal), file.filename, signal)
    parts.push({ type: 'file', mime: file.mime, ...named(path, safeName(file.filename)) })
  }
  return parts
}

const named = (path: string, filename: string) => ({ filename, url: pathToFileURL(path).href })

function placeIn(workspacePath: string, { path }: Extract<PromptFile, { kind: 'workspace' }>): string {
  try {
    const place = realpathSync(join(workspacePath, path))
    if (place.startsWith(realpathSync(workspacePath) + sep)) return place
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error
  }
  throw new PromptNotRun('invalid_configuration', `There is no file "${path}" in the workspace.`)
}

async function fetched(run: () => Promise<void>, filename: string, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + awayMs
  for (;;) {
    try {
      return await run()
    } catch (error) {
      if (signal.aborted) throw error
      if (error instanceof StoreRefused || performance.now() > deadline) {
        throw new PromptNotRun(
          'agent_unavailable',
          `The attachment "${filename}" could not be brought to the agent: ${errorText(error)}`,
        )
      }
    }
    await delay(againMs, undefined, { signal })
  }
}
