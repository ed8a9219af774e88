/** The procedures that administer users, organizations and keys, beside those of sessions in the one router. */
import {
  createApiKeyInput,
  createOrganizationInput,
  createUserInput,
  getProfileInput,
  githubInstallationInput,
  listApiKeysInput,
  listAuditInput,
  listGithubInstallationsInput,
  listMembersInput,
  listOrganizationsInput,
  listUsersInput,
  memberInput,
  memberRoleInput,
  removeUserInput,
  revokeApiKeyInput,
  updateProfileInput,
} from '@corral/protocol'
import type { Administration } from '../../identity/administration.ts'
import type { Sessions } from '../../sessions/sessions.ts'
import type { Procedures } from '../cloud-agent/procedures.ts'

export function identityProcedures(
  { reads, administers }: Pick<Procedures, 'reads' | 'administers'>,
  { keys, organizations, githubInstallations, users, audit }: Administration,
  sessions: Pick<Sessions, 'removeAllOf'>,
) {
  return {
    createApiKey: administers.input(createApiKeyInput).mutation(({ ctx, input }) => keys.create(ctx.caller, input)),
    listApiKeys: administers.input(listApiKeysInput).query(({ ctx, input }) => keys.list(ctx.caller, input.user)),
    revokeApiKey: administers
      .input(revokeApiKeyInput)
      .mutation(({ ctx, input }) => keys.revoke(ctx.caller, input.keyId)),

    createOrganization: administers
      .input(createOrganizationInput)
      .mutation(({ ctx, input }) => organizations.create(ctx.caller, input)),
    /** Also to know under which organization a session may be started. */
    listOrganizations: reads.input(listOrganizationsInput).query(({ ctx }) => organizations.list(ctx.caller)),
    listMembers: administers
      .input(listMembersInput)
      .query(({ ctx, input }) => organizations.members(ctx.caller, input.organizationId)),
    addMember: administers.input(memberRoleInput).mutation(({ ctx, input }) => organizations.add(ctx.caller, input)),
    setMemberRole: administers
      .input(memberRoleInput)
      .mutation(({ ctx, input }) => organizations.setRole(ctx.caller, input)),
    removeMember: administers.input(memberInput).mutation(({ ctx, input }) => organizations.remove(ctx.caller, input)),

    linkGithubInstallation: administers
      .input(githubInstallationInput)
      .mutation(({ ctx, input }) => githubInstallations.link(ctx.caller, input)),
    unlinkGithubInstallation: administers
      .input(githubInstallationInput)
      .mutation(({ ctx, input }) => githubInstallations.unlink(ctx.caller, input)),
    listGithubInstallations: administers
      .input(listGithubInstallationsInput)
      .query(({ ctx, input }) => githubInstallations.list(ctx.caller, input)),

    getProfile: reads.input(getProfileInput).query(({ ctx }) => users.profile(ctx.caller)),
    updateProfile: administers.input(updateProfileInput).mutation(({ ctx, input }) => users.rename(ctx.caller, input)),
    createUser: administers.input(createUserInput).mutation(({ ctx, input }) => users.create(ctx.caller, input)),
    removeUser: administers
      .input(removeUserInput)
      .mutation(({ ctx, input }) => users.remove(ctx.caller, input.user, sessions.removeAllOf)),
    listUsers: administers.input(listUsersInput).query(({ ctx }) => users.list(ctx.caller)),
    listAudit: administers.input(listAuditInput).query(({ ctx, input }) => audit(ctx.caller, input)),
  }
}
