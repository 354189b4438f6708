/**
 * The largest answer between services, bytes: `maxSentMessageBytes` of a server and `maxMessageBytes` of its callers have to agree. What
 * may come of it is bounded where it is made: 100,000 rows of figures at some 60 bytes, a page of apps with their manifests, a configuration of 1 MiB.
 */
export const largestAnswerBytes = 16 * 1024 * 1024;
