/** Whether the page's policy, which a proxy may have replaced, forbids a connection. */

export interface PolicyWatch {
  yes(): boolean;
  stop(): void;
}

/** Call it before the connection is opened: the browser tells of it meanwhile. */
export function watchPolicy(url: string): PolicyWatch {
  let forbidden = false;
  const note = ({ blockedURI, disposition }: SecurityPolicyViolationEvent): void => {
    // Some browsers cut the path off.
    if (disposition === 'enforce' && url.startsWith(blockedURI)) forbidden = true;
  };
  const page = globalThis.document as Document | undefined;
  page?.addEventListener('securitypolicyviolation', note);
  return {
    yes: () => forbidden,
    stop: () => page?.removeEventListener('securitypolicyviolation', note),
  };
}
