/** Whether a user belongs to an organization now: one read of the index `member_user_organization`, never cached. */
import type { Pool } from 'pg'
import type { Membership } from './caller.ts'

export const createMembership =
  (pool: Pool): Membership =>
  async (userId, organizationId) => {
    const found = await pool.query({
      name: 'membership',
      text: 'select 1 from member where user_id = $1 and organization_id = $2',
      values: [userId, organizationId],
    })
    return found.rowCount === 1
  }
