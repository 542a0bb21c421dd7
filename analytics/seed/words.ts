/** Words for made-up calls in bulk, most frequent first; rarer than all of them are the numbers that follow. */
export const bulkWords: readonly string[] = (
  "the you to I and a it is that for my have on in of your we can not me this be was with so do are will just what " +
  "please thank yes no okay order account today call help number sure right bill see know get one time back here there now " +
  "going need let want would could like said because when from they were been has had how much about again still all any some " +
  "month week day tomorrow yesterday payment card invoice charge charged refund delivery address email phone line internet router " +
  "contract plan price offer discount cancel cancellation renewal upgrade service support team manager agent customer system check " +
  "moment hold wait waiting transfer department problem issue error broken slow working restart screen password login reset confirm " +
  "confirmed details name date birth postcode street city reference ticket case complaint sorry apologise apologies unfortunately " +
  "happy great perfect wonderful excellent terrible awful annoying frustrated angry disappointed confused worried ridiculous " +
  "unacceptable promise promised guarantee legal solicitor ombudsman supervisor escalate review feedback survey satisfied insurance " +
  "policy claim damage accident flight booking hotel room ticket seat luggage shipment parcel courier warehouse stock colour size " +
  "return exchange warranty repair technician appointment morning afternoon evening visit engineer installation cable meter reading " +
  "electricity gas water tariff estimate usage balance overdraft loan mortgage interest transaction statement branch fraud blocked " +
  "unblock limit transfer sort code security question answer verify identity document passport licence upload website application"
).split(" ");
