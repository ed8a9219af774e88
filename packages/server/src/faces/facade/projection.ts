/** What is shown of a session, in the SDKs' form and without places of its sandbox. */
import { type PublicPlace, projected } from '@corral/transcript'
import { placesOf } from '../../sessions/placement/places.ts'
import type { Root, RootFigures } from '../../sessions/reads/roots.ts'
import type { Recordings } from '../../sessions/recorded/recordings.ts'
import type { Message } from '../../sessions/transcript/messages.ts'
import { directoryOf } from './directories.ts'

export type Projection = ReturnType<typeof createProjection>
type Members = Record<string, unknown>

/** The provider under which agents in the cloud know every model. */
export const providerId = 'corral'

export function createProjection(deps: {
  placesReplaced(count: number): void
  shareTokenOf: Recordings['shareTokenOf']
  publicUrl: string | null
  beyond: boolean
}) {
  function shareOf(root: Root, origin: string): { share?: { url: string } } {
    const token = deps.beyond ? deps.shareTokenOf(root) : null
    return token === null ? {} : { share: { url: new URL(`/session/${token}`, origin).href } }
  }

  const placeOf = (root: Root): PublicPlace => {
    const { workspacePath, home } = placesOf(root)
    return { workspacePath, home, directory: directoryOf(root.agentSessionId) }
  }

  /** A message, part or ask, or the properties of an event. */
  function members(root: Root, value: Members): Members {
    const { value: shown, leftovers } = projected(value, placeOf(root))
    if (leftovers > 0) deps.placesReplaced(leftovers)
    return shown
  }

  return {
    members,

    message: (root: Root, { info, parts }: Message) => ({
      info: members(root, info),
      parts: parts.map((part) => members(root, part)),
    }),

    /** Where people reach this server. */
    originOf: (request: Request): string => deps.publicUrl ?? new URL(request.url).origin,

    /** `figures`: null where nothing is known of its work. `origin`: see `originOf`. */
    session(root: Root, figures: RootFigures | null, origin: string) {
      const { configuration } = root
      const { mode, model, variant } = figures?.request ?? configuration
      const used = figures && figures.promptTokens + figures.completionTokens > 0 ? figures : null
      return {
        ...identity(root),
        title: root.title,
        time: { created: root.createdAt.getTime(), updated: root.updatedAt.getTime() },
        agent: mode,
        model: { id: model, providerID: providerId, ...(variant !== undefined && { variant }) },
        ...(used && {
          cost: used.costUsd,
          tokens: {
            input: used.promptTokens - used.cachedTokens,
            output: used.completionTokens,
            reasoning: 0,
            cache: { read: used.cachedTokens, write: 0 },
          },
        }),
        ...shareOf(root, origin),
        ...(deps.beyond && { metadata: metadataOf(root) }),
      }
    },

    /** What the agent says of its session; `path` and its own ids of projects mean nothing outside. */
    agentSession(root: Root, info: Members): Members {
      const { path: _, projectID: __, workspaceID: ___, ...rest } = members(root, info)
      return info.id === root.agentSessionId
        ? { ...rest, ...identity(root), ...(deps.beyond && { metadata: metadataOf(root) }) }
        : { ...rest, projectID: everyProject }
    },
  }
}

const everyProject = 'cloud-agent'

const identity = (root: Root) => ({
  id: root.agentSessionId,
  slug: root.agentSessionId,
  projectID: everyProject,
  directory: directoryOf(root.agentSessionId),
  version: 'cloud-agent',
})

function metadataOf(root: Root): Members {
  const { upstreamBranch, sessionBranch } = root.configuration
  return {
    cloudAgentSessionId: root.id,
    // Where a repository lies on the server's own disk is nothing to the world.
    ...(!root.repository.startsWith('file:') && { gitUrl: root.repository }),
    gitBranch: upstreamBranch ?? sessionBranch ?? `session/${root.id}`,
  }
}
