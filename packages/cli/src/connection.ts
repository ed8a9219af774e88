/**
 * Where this command line talks to, and with which key: `CORRAL_URL` and `CORRAL_API_KEY`, else `<CORRAL_HOME>/cli.json`,
 * which `corral up` writes.
 */
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type Corral, createCorral } from '@corral/client'
import { CliError } from './cliError.ts'

export type Connection = {
  corral: Corral
  /** What this installation uses where no model is named. */
  defaultModel: string
}

export async function connect(env: NodeJS.ProcessEnv): Promise<Connection> {
  const file = join(dataFolder(env), 'cli.json')
  const kept = await readKept(file)
  const url = env.CORRAL_URL || kept?.url
  const apiKey = env.CORRAL_API_KEY || kept?.apiKey
  if (!url || !apiKey) {
    throw new CliError(
      'No server is known here.',
      `neither CORRAL_URL and CORRAL_API_KEY are set, nor does ${file} exist`,
      'start one with "corral up", or set both variables',
    )
  }
  return {
    corral: createCorral({ url, apiKey }),
    defaultModel: env.CORRAL_MODEL || kept?.defaultModel || 'scripted/demo',
  }
}

export const dataFolder = (env: NodeJS.ProcessEnv): string => resolve(env.CORRAL_HOME || '.corral')

async function readKept(file: string): Promise<{ url?: string; apiKey?: string; defaultModel?: string } | null> {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw new CliError(
      `${file} cannot be read.`,
      error instanceof Error ? error.message : String(error),
      'run "corral up" again',
    )
  }
}
