/** A resource of an API: from its OpenAPI document, or a route that was observed. */
export interface ApiResource {
  /** Upper case. */
  readonly method: string;
  /** Below the base path; variables in braces: "/orders/{id}". */
  readonly path: string;
}
