import type { AuditAction } from '@corral/protocol'

/** What happened, for people. */
export const auditWords: Readonly<Record<AuditAction, string>> = {
  'user.created': 'User made',
  'user.removed': 'User removed',
  'user.signed_in': 'Signed in',
  'user.password_set': 'First password chosen',
  'user.renamed': 'Name changed',
  'key.created': 'API key made',
  'key.revoked': 'API key revoked',
  'organization.created': 'Organization made',
  'member.added': 'Member added',
  'member.removed': 'Member removed',
  'member.role_changed': 'Role changed',
  'callback_key.rotated': 'Signing key of callbacks rotated',
  'budget.set': 'Budget set',
  'session.deleted': 'Session deleted',
  'session.answered': 'Question or permission answered',
  'github_installation.linked': 'GitHub installation linked',
  'github_installation.unlinked': 'GitHub installation unlinked',
}
