/** How full a disk is. */
import { statfs } from 'node:fs/promises'

/** Whether this much is free, for who is not root, on the disk that holds the folder. */
export async function hasRoom(folder: string, bytes: number): Promise<boolean> {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize >= bytes
}
