/** Cursors of lists: opaque and signed, each good for the list that it was given for and for no other. */
import { FacadeRefusal } from './refusal.ts'

/** Characters of a keyed digest; nobody guesses them, and nothing secret hangs on them. */
const digestCharacters = 24

export function createCursors({ digest }: { digest(content: string): string }) {
  const sign = (position: string, list: string) => digest(`cursor ${list} ${position}`).slice(0, digestCharacters)

  return {
    /** `list`: what the position is one in. */
    write: (position: number, list: string): string =>
      Buffer.from(`${position}.${sign(String(position), list)}`).toString('base64url'),
    read(cursor: string, list: string, name: string): number {
      const refuse = () => new FacadeRefusal('KILO_QUERY_INVALID', `${name}: is no cursor of this list.`)
      if (cursor.length > 1_024) throw refuse()
      const [position = '', signature, more] = Buffer.from(cursor, 'base64url').toString().split('.')
      if (!/^\d{1,16}$/.test(position) || signature !== sign(position, list) || more !== undefined) throw refuse()
      return Number(position)
    },
  }
}
