/** What becomes of the work when a turn is over. */

import { CheckField, Field } from '../../ui/Field.tsx'
import styles from '../NewSession.module.css'
import { PairsField } from '../PairsField.tsx'
import type { Part } from './part.ts'

export function Result({ draft, onDraft, errors }: Part) {
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
