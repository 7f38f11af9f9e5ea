/** What control answers to who asks for a private channel. */
import { z } from "zod";

export const channelAnswer = z.object({
  channel_id: z.string().max(64),
  /** Checked by whoever uses it. Secret. */
  grant_client: z.record(z.string(), z.unknown()),
});
export type ChannelAnswer = z.infer<typeof channelAnswer>;

export interface ChannelRequest {
  /** `NAME`, or `OWNER/NAME`. */
  readonly service: string;
  /** Public half of the key of this endpoint: base64url of 32 bytes. */
  readonly client_static_key: string;
}
