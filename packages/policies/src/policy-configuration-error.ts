/** A configuration that passed the schema and cannot be enforced. `message` is for the operator and holds no secret. */
export class PolicyConfigurationError extends Error {
  override readonly name = "PolicyConfigurationError";
  /** Path in the configuration: "keys[0].pem". */
  readonly field: string;

  constructor(field: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.field = field;
  }
}
