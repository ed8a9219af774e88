/** What a session can be made with besides: each section says in a line what is set in it. */
import { useQuery } from '@tanstack/react-query'
import { useCorral } from '../app/corral.tsx'
import { CheckField, Field, SelectField, TextField } from '../ui/Field.tsx'
import { type Draft, type DraftMember, isolations, networkModes, permissionDefaults, platforms } from './draft.ts'
import styles from './NewSession.module.css'
import { PairsField } from './PairsField.tsx'
import type { FieldErrors } from './request.ts'
import { Section } from './Section.tsx'
import { summaries } from './summaries.ts'

type Part = { draft: Draft; onDraft: (part: Partial<Draft>) => void; errors: FieldErrors }

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

function Environment({ draft, onDraft, errors }: Part) {
  return (
    <>
      <PairsField
        label="Variables"
        hint="The agent and the setup commands have them."
        noun="variable"
        namePlaceholder="NODE_ENV"
        pairs={draft.envVars}
        error={errors.envVars}
        onPairs={(envVars) => onDraft({ envVars })}
      />
      <PairsField
        label="Secrets"
        hint="Encrypted in this browser. Only the agent and setup commands get them; they are taken out of all that is shown."
        noun="secret"
        namePlaceholder="API_TOKEN"
        isSecret
        pairs={draft.secrets}
        error={errors.secrets}
        onPairs={(secrets) => onDraft({ secrets })}
      />
      <TextField
        label="Setup commands"
        hint="One in a line; they run after the clone, each for two minutes at most."
        placeholder="npm ci"
        rows={3}
        spellCheck={false}
        value={draft.setupCommands}
        error={errors.setupCommands}
        onChange={({ target }) => onDraft({ setupCommands: target.value })}
      />
    </>
  )
}

function Result({ draft, onDraft, errors }: Part) {
  return (
    <>
      <CheckField
        label="Commit and push after each message"
        checked={draft.autoCommit}
        onChange={({ target }) => onDraft({ autoCommit: target.checked })}
      />
      {draft.autoCommit && (
        <CheckField
          label="Open a pull request"
          hint="On GitHub and GitLab."
          checked={draft.pullRequest}
          onChange={({ target }) => onDraft({ pullRequest: target.checked })}
        />
      )}
      {draft.autoCommit && draft.pullRequest && (
        <>
          <div className={styles.row}>
            <Field
              label="Title"
              placeholder="Made from the change"
              value={draft.pullRequestTitle}
              error={errors.pullRequestTitle}
              onChange={({ target }) => onDraft({ pullRequestTitle: target.value })}
            />
            <Field
              label="Into"
              placeholder="The default branch"
              value={draft.pullRequestBase}
              error={errors.pullRequestBase}
              onChange={({ target }) => onDraft({ pullRequestBase: target.value })}
            />
          </div>
          <CheckField
            label="As a draft"
            checked={draft.pullRequestDraft}
            onChange={({ target }) => onDraft({ pullRequestDraft: target.checked })}
          />
        </>
      )}
      <Field
        label="Callback"
        type="url"
        hint="Told by a signed request when a message has been worked on."
        placeholder="https://example.com/hook"
        value={draft.callbackUrl}
        error={errors.callbackUrl}
        onChange={({ target }) => onDraft({ callbackUrl: target.value })}
      />
      {draft.callbackUrl !== '' && (
        <PairsField
          label="Headers of the callback"
          hint="Sent with each request. They are not kept in this browser."
          noun="header"
          namePlaceholder="authorization"
          isSecret
          pairs={draft.callbackHeaders}
          error={errors.callbackHeaders}
          onPairs={(callbackHeaders) => onDraft({ callbackHeaders })}
        />
      )}
    </>
  )
}

function AgentPart({ draft, onDraft, errors }: Part) {
  return (
    <>
      <TextField
        label="Instructions"
        hint="Added to the agent’s own system prompt."
        rows={3}
        value={draft.appendSystemPrompt}
        error={errors.appendSystemPrompt}
        onChange={({ target }) => onDraft({ appendSystemPrompt: target.value })}
      />
      <TextField
        label="MCP servers"
        hint="JSON, by name. ${env:NAME} stands for a variable or secret. They are not kept in this browser."
        placeholder={'{\n  "docs": { "command": "npx", "args": ["-y", "docs-mcp"] }\n}'}
        rows={5}
        className={styles.code}
        spellCheck={false}
        value={draft.mcpServers}
        error={errors.mcpServers}
        onChange={({ target }) => onDraft({ mcpServers: target.value })}
      />
      <div className={styles.row}>
        <Field
          label="Variant of the model"
          placeholder="high"
          value={draft.variant}
          error={errors.variant}
          onChange={({ target }) => onDraft({ variant: target.value })}
        />
        <Field
          label="Time for a message, in minutes"
          type="number"
          min={1}
          max={1440}
          placeholder="120"
          value={draft.timeoutMinutes}
          error={errors.timeoutMinutes}
          onChange={({ target }) => onDraft({ timeoutMinutes: target.value })}
        />
      </div>
      <TextField
        label="Other models"
        hint="One in a line, tried in this order when the model cannot be had."
        rows={2}
        spellCheck={false}
        value={draft.fallbackModels}
        error={errors.fallbackModels}
        onChange={({ target }) => onDraft({ fallbackModels: target.value })}
      />
      <CheckField
        label="Condense the conversation after each message"
        checked={draft.condenseOnComplete}
        onChange={({ target }) => onDraft({ condenseOnComplete: target.checked })}
      />
    </>
  )
}

function Rights({ draft, onDraft, errors }: Part) {
  return (
    <>
      <SelectField
        label="Web"
        hint="Models, git and package registries have doors of their own."
        value={draft.networkMode}
        error={errors.networkMode}
        onChange={({ target }) => onDraft({ networkMode: chosen(networkModes, target.value) })}
      >
        <option value="">As usual here</option>
        <option value="allowlist">Only the hosts that are listed</option>
        <option value="open">All public hosts</option>
        <option value="off">None</option>
        <option value="off-all">None, and no package registries</option>
      </SelectField>
      <TextField
        label="Hosts"
        hint="One in a line, beside those that are listed for everybody."
        rows={2}
        spellCheck={false}
        value={draft.networkHosts}
        error={errors.networkHosts}
        onChange={({ target }) => onDraft({ networkHosts: target.value })}
      />
      <SelectField
        label="Tools"
        value={draft.permissions}
        error={errors.permissions}
        onChange={({ target }) => onDraft({ permissions: chosen(permissionDefaults, target.value) })}
      >
        <option value="">As usual here</option>
        <option value="auto">The agent uses them by itself</option>
        <option value="ask">It asks before each</option>
        <option value="deny">Only what the rules allow</option>
      </SelectField>
      <TextField
        label="Rules for tools"
        hint="JSON; the last rule that fits wins."
        placeholder={'[{ "tool": "bash", "pattern": "git push*", "action": "ask" }]'}
        rows={3}
        className={styles.code}
        spellCheck={false}
        value={draft.permissionRules}
        error={errors.permissionRules}
        onChange={({ target }) => onDraft({ permissionRules: target.value })}
      />
      <div className={styles.row}>
        <Field
          label="Minutes until a question is given up"
          type="number"
          min={1}
          max={1440}
          placeholder="30"
          value={draft.permissionMinutes}
          error={errors.permissionMinutes}
          onChange={({ target }) => onDraft({ permissionMinutes: target.value })}
        />
        <SelectField
          label="Sandbox"
          value={draft.isolation}
          error={errors.isolation}
          onChange={({ target }) => onDraft({ isolation: chosen(isolations, target.value) })}
        >
          <option value="">As usual here</option>
          <option value="session">One of its own</option>
          <option value="shared">Shared with your other sessions, which can read it</option>
        </SelectField>
      </div>
    </>
  )
}

function Repository({ draft, onDraft, errors }: Part) {
  const corral = useCorral()
  const { data } = useQuery({
    queryKey: ['organizationNames'],
    queryFn: () => corral.call.listOrganizations.query({}),
    staleTime: 60_000,
  })
  const organizations = (data?.organizations ?? []).filter(({ role }) => role !== null)
  return (
    <>
      <SelectField
        label="Organization"
        hint="Its budget pays, and its members’ rules hold."
        value={draft.organization}
        error={errors.organization}
        onChange={({ target }) => onDraft({ organization: target.value })}
      >
        <option value="">Personal</option>
        {organizations.map(({ organizationId, name }) => (
          <option key={organizationId} value={organizationId}>
            {name}
          </option>
        ))}
      </SelectField>
      <Field
        label="Token for the repository"
        type="password"
        autoComplete="new-password"
        hint="Only where no GitHub App is installed. It never enters the sandbox and is not kept in this browser."
        value={draft.token}
        error={errors.token}
        onChange={({ target }) => onDraft({ token: target.value })}
      />
      <SelectField
        label="Kind of host"
        value={draft.platform}
        error={errors.platform}
        onChange={({ target }) => onDraft({ platform: chosen(platforms, target.value) })}
      >
        <option value="">By its address</option>
        <option value="github">GitHub</option>
        <option value="gitlab">GitLab</option>
      </SelectField>
      <CheckField
        label="Clone without history"
        hint="Quicker for large repositories."
        checked={draft.shallow}
        onChange={({ target }) => onDraft({ shallow: target.checked })}
      />
    </>
  )
}

/** Of what can be chosen; an option that is none of it is the empty one. */
const chosen = <Value extends string>(among: readonly (Value | '')[], value: string): Value | '' =>
  among.find((candidate) => candidate === value) ?? ''
