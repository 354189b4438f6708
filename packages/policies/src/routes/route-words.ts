/**
 * Words of which paths of APIs are made, in the singular unless only the plural is one: a value that happens to be one of
 * them tells nobody anything. Common given names and family names are none of them, a test sees to that; so "bills", not
 * "bill".
 */
const text = `
  accept access account accounting acknowledge ack action activate activation active activity actor add address adjust
  adjustment admin administration advance advertisement agent agreement alarm alert alias all allocation allow amend amount
  analysis analytics annotation announcement answer api app appeal application apply appointment approval approve archive
  area article assess assessment asset assign assignment assistant async atom attach attachment attempt attendance attribute
  audience audit auth authenticate authentication author authorise authorisation authority authorization authorize auto
  autocomplete available availability avatar award
  backup badge balance banking banner barcode base basket batch beacon benefit bids billing bills binding block blog board
  body booking bookmark boost booth branding brand branch broadcast brokers browse bucket budget bug build building bulk
  bundle business buy
  cache calculate calculation calendar callback calls campaign cancel cancellation candidate capability capacity capture card
  career cargo carrier cart cases catalog catalogue category cell center centre certificate certification change channel
  charge charges chart chat check checkin checklist checkout checks choice citizen city claim class classification clear
  client clinic clone close cluster code collection column command comment commission commit commodity company compare
  comparison compensation competition complaint complete completion compliance component compute condition conference config
  configuration configure confirm confirmation conflict connect connection connector consent console consult consultation
  consume consumer consumption contact container content contest context contract contribution contributor control
  conversation conversion convert cookie copy core correction cost count counter country coupon course coverage create
  creation credential credit criteria currency current custom customer
  daily damage dashboard data database dataset date days deactivate deal dealer debit debt decision declaration decline
  deduction default defect definition delete deliver delivery demand demo department departure dependency dependent deploy
  deployment deposit depot description design desktop destination detail detect device diagnosis diagnostic diff digest
  dimension direct directory disable discount discover discovery discussion disease dispatch display dispute distribution
  district division doc doctor document documentation domain donation done download draft driver drop due duplicate duty
  earnings echo edge edit education element eligibility email embed employee employer employment enable encounter endpoint
  engine enroll enrollment enrolment entitlement entity entry environment equipment error escalate escalation estimate
  evaluate evaluation event evidence exam examination example exception exchange execute execution exhibition exit expense
  experience experiment expire expiry explain explore export exposure extension external extract
  face facility fact factory failure family fan fault favorite favourite feature federation feed feedback fees fetch figure
  file filing filter finance financial find fine firmware fiscal fit fix flag fleet flight floor flow folder follow follower
  food force forecast forgot form format forum forward freight friend fulfil fulfill fulfillment fulfilment function fund
  fundamental funding
  gallery game gate gateway general generate generation geo geocode gift glossary goal good goods governance grade grants
  graph graphql group guarantee guest guide
  handler hardware hash head header health healthz heartbeat help helper hierarchy history hits holding holiday home hook
  hospital host hotel hour household household hub
  icon identifier identity image import incident income index indicator industry info information ingest ingredient initiate
  inbound inbox input inquiry insight inspect inspection install installation instalment installment instance instruction
  instrument insurance integration intent interaction interest interface internal interview introspect inventory investment
  investor invitation invite invoice invoicing issue issuer item itinerary
  job join journal journey json jwks
  keys keyword kpi
  label lab laboratory language last latest launch layer layout lead leader leaderboard league lease leave ledger legal lesson
  letter level liability library licence license lifecycle like limit line link list listing live livez load loan local
  locale location lock log logging login logistics logo logout lookup loyalty
  machine mail mailbox main maintenance manage management manager mandate manifest manual manufacturer map mapping market
  marketing marketplace master match material matrix measure measurement media medical medication medicine meeting member
  membership memo mention menu merchant merge message messaging metadata meter metering method metric migration milestone
  mine missing mission mobile mode model moderation module money monitor monitoring month monthly mortgage move movement
  movie music mute
  name namespace native navigation nearby neighbor network new news newsletter next node note notice notification notify
  number nutrition
  oauth object objective observation occupation offer office official offline onboarding online open operation operator
  opportunity optimize option order ordering org organisation organization origin outage outbound outbox outcome output
  outlet overdue overview owner ownership
  pack package packages pages paid pallet panel parameter parcel parent parking part participant participation partner
  partnership party passenger passport password patch path patient pattern pause pay payable payee payer payment payout
  payroll peer penalty pending pension people percent performance period permission permit person personnel pharmacy phase
  phone photo physician picks picture ping pipeline placement places plan planning plant platform play player playlist plot
  plugin point policy poll pool portal portfolio position posting posts practice precheck predict prediction preference
  premium prepare prescription presence preset prevention preview previous prices pricelist pricing primary print printer
  priority privacy private prize problem procedure process processing processor procurement produce producer product
  production profession professional profile profit program programme progress project promo promotion proof property
  proposal prospect protection protocol provider provision proxy public publication publish publisher purchase push put
  qualification quality quantity quarter quarterly query question questionnaire queue quick quiz quota quotation quote
  radio range rank ranking rate rating ratio react reaction reader readiness reading ready readyz realm reason receipt
  receivable receive receiver recent recipe recipient recommend recommendation reconcile reconciliation record recording
  recover recovery recurring redeem redirect reference referral refill refresh refund region register registration registry
  regulation reimbursement reject rejection related relation relationship release reload remind reminder remittance remote
  remove rename renew renewal rent rental repair repayment replace replacement replay reply repo report reporting repository
  request requirement requisition research resend reservation reserve reset resident resolution resolve resource response
  restaurant restore result resume retail retire retirement retry return revenue reverse review revision revoke reward risk
  role rollback room root round route router routing row rules run runtime
  safety salary sale sales sample sandbox satellite save saving schedule scheduler schema school score scan scope screen
  screening script search season seat secret section sector secure security segment select selection seller send sender
  sensor sequence series server service session set setting settle settlement setup share shareholder shelf shift ship
  shipment shipping shop shopping show sign signal signature signin signout signup simulate simulation single site sitemap
  skill sku slot snapshot social software solution sort source space spec special specification speed sponsor staff stage
  standard standing start state statement station statistic statistics stats status step stock stop storage store story
  strategy stream street strategy structure student study style subject submission submit subscribe subscriber subscription
  subsidiary suggest suggestion summary supplier supply support surcharge survey suspend suspension swagger symbol sync
  synchronize synonym system
  table tag target tariff task tasks taxes tax taxonomy teacher team technician telemetry template tenant term terminal
  terminate termination territory test testing text thank theme thread threshold thumbnail ticket time timeline timesheet
  timezone title todo toggle token tool top topic total tour track tracking trade trader trading traffic train training
  transaction transcript transfer transform transit transition translate translation transport transportation travel
  treatment trend trial trigger trip truck trust type
  unit universe university unlock unpublish unread unsubscribe update upgrade upload usage user utility
  vacancy vacation validate validation valuation value variable variant vehicle vendor venue verification verify version
  video view virtual visa visibility visit visitor vital vocabulary void volume volunteer voter voucher vote
  wallet warehouse warning warranty waste watch watchlist weather web webhook website week weekly weight whoami widget
  wiki window wish wishlist withdraw withdrawal work worker workflow workgroup workload workplace workshop workspace world
  year yearly zone
`;

export const commonRouteWords: ReadonlySet<string> = new Set(text.split(/\s+/).filter((word) => word !== ""));
