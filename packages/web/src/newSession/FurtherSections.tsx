/** What a session can be made with besides: each section says in a line what is set in it. */
import type { DraftMember } from './draft.ts'
import { Section } from './Section.tsx'
import { AgentPart } from './sections/AgentPart.tsx'
import { Environment } from './sections/Environment.tsx'
import type { Part } from './sections/part.ts'
import { Repository } from './sections/Repository.tsx'
import { Result } from './sections/Result.tsx'
import { Rights } from './sections/Rights.tsx'
import { summaries } from './summaries.ts'

/** Which members a section has, so that it opens when one of them is wrong. */
const members = {
  environment: ['envVars', 'secrets', 'setupCommands'],
  result: ['autoCommit', 'pullRequest', 'pullRequestTitle', 'pullRequestBase', 'callbackUrl', 'callbackHeaders'],
  agent: ['variant', 'fallbackModels', 'appendSystemPrompt', 'mcpServers', 'timeoutMinutes', 'condenseOnComplete'],
  rights: ['networkMode', 'networkHosts', 'permissions', 'permissionRules', 'permissionMinutes', 'isolation'],
  repository: ['organization', 'token', 'platform', 'shallow'],
} as const satisfies Record<string, readonly DraftMember[]>

export function FurtherSections(part: Part) {
  const { draft, errors } = part
  const section = (name: keyof typeof members) => ({
    summary: summaries[name](draft),
    hasError: members[name].some((member) => errors[member] !== undefined),
  })
  return (
    <div>
      <Section title="Environment" {...section('environment')}>
        <Environment {...part} />
      </Section>
      <Section title="Result" {...section('result')}>
        <Result {...part} />
      </Section>
      <Section title="Agent" {...section('agent')}>
        <AgentPart {...part} />
      </Section>
      <Section title="Rights" {...section('rights')}>
        <Rights {...part} />
      </Section>
      <Section title="Repository and organization" {...section('repository')}>
        <Repository {...part} />
      </Section>
    </div>
  )
}
