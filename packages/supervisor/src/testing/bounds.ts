/** What a supervisor watches that stands outside of a sandbox: what descends from it, and its own folder. */
import { join } from 'node:path'
import type { SupervisorOptions } from '../supervisor.ts'

export const boundsIn = (folder: string): SupervisorOptions['bounds'] => ({
  alone: false,
  folders: [folder],
  temporaryFolders: [],
  memoryKillsFile: join(folder, 'memory-kills'),
})
