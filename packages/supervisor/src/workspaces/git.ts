/**
 * Git as the supervisor runs it: in the session's home, without prompts, pagers, system configuration or the user's
 * hooks unless a caller wants them. What git prints may hold addresses and tokens, so it never becomes a message.
 */
import { type RunEnd, run } from '../host/run.ts'

export type Git = (args: readonly string[], options: GitOptions) => Promise<RunEnd>
export type GitOptions = {
  timeoutMs: number
  signal?: AbortSignal | undefined
  input?: string
  maxBytes?: number
  environment?: Record<string, string>
}

export function createGit(options: { cwd: string; environment: Record<string, string> }): Git {
  return (args, { environment, ...bounds }) =>
    run({
      command: 'git',
      args,
      cwd: options.cwd,
      environment: {
        ...options.environment,
        GIT_CONFIG_NOSYSTEM: '1',
        GIT_TERMINAL_PROMPT: '0',
        GIT_OPTIONAL_LOCKS: '0',
        GIT_PAGER: 'cat',
        LC_ALL: 'C',
        ...environment,
      },
      ...bounds,
    })
}

/** The one line that a query answers, or `null`. */
export async function line(git: Git, args: readonly string[], options: GitOptions): Promise<string | null> {
  const { code, stdout } = await git(args, options)
  return code === 0 ? stdout.trim() || null : null
}

/** What `git diff` compares with where there is no commit yet. */
export const emptyTree = '4b825dc642cb6eb9a060e54bf8d69288fbee4904'
