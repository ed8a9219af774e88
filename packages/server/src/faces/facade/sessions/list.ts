/** `GET /session`: newest activity first, of one repository if its normal form is named. */
import { CorralError } from '@corral/protocol'
import { z } from 'zod'
import { type RepositoryPolicy, repositoryIdentity } from '../../../sessions/configuration/repository.ts'
import type { Roots } from '../../../sessions/reads/roots.ts'
import { createCursors } from '../cursors.ts'
import type { Projection } from '../projection.ts'
import { readValue, wholeNumber } from '../query.ts'
import { FacadeRefusal } from '../refusal.ts'
import type { SelectingCall } from '../route.ts'

const mostSessions = 100

export function listSessions(deps: {
  roots: Roots
  repositories: RepositoryPolicy
  projection: Projection
  digest(content: string): string
  beyond: boolean
}) {
  const { roots, projection } = deps
  const cursors = createCursors(deps)

  return async function list({ caller, query, root, request }: SelectingCall): Promise<Response> {
    const limit = readValue(query, 'limit', wholeNumber(1, mostSessions)) ?? mostSessions
    const start = readValue(query, 'start', wholeNumber(0, 8_640_000_000_000_000))
    const search = readValue(query, 'search', z.string().max(200, 'must have at most 200 characters'))
    // Everything here is a root; `false` would ask for what there is not.
    readValue(query, 'roots', z.literal('true', 'must be true'))
    const cursor = query.get('cursor')
    const rows = await roots.list(caller, {
      limit: limit + 1,
      start: start === undefined ? undefined : new Date(start),
      search,
      only: root?.id,
      repository: await repositoryOf(query.get('gitUrl')),
      before: cursor === undefined ? undefined : cursors.read(cursor, listOf(caller.userId), 'cursor'),
    })
    const page = rows.slice(0, limit)
    const figures = await roots.figures(page.map(({ id }) => id))
    const last = page.at(-1)
    const next = rows.length > limit && last ? cursors.write(last.activity, listOf(caller.userId)) : null
    return Response.json(
      page.map((row) => projection.session(row, figures.get(row.id) ?? null, projection.originOf(request))),
      {
        headers:
          next === null || !deps.beyond
            ? {}
            : { 'x-next-cursor': next, 'access-control-expose-headers': 'X-Next-Cursor' },
      },
    )
  }

  /** What is no normal form is refused and told its own: two ways to write one repository are two keys to a client. */
  async function repositoryOf(gitUrl: string | undefined): Promise<string | undefined> {
    if (gitUrl === undefined) return undefined
    const refuse = (sentence: string) => new FacadeRefusal('KILO_QUERY_INVALID', `gitUrl: ${sentence}.`)
    if (gitUrl === '' || gitUrl.length > 2048) throw refuse('is no URL of a repository')
    const normal = await repositoryIdentity({ gitUrl }, deps.repositories).catch((error: unknown) => {
      if (error instanceof CorralError && (error.reason === 'invalid_input' || error.reason === 'target_refused')) {
        throw refuse('is no URL of a repository that Corral may reach')
      }
      throw error
    })
    if (normal !== gitUrl) throw refuse(`must be in its normal form, which is ${normal}`)
    return normal
  }
}

const listOf = (userId: string) => `sessions of ${userId}`
