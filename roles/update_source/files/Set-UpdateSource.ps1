# Sets an update service to what is wanted; run only where something differs, by ansible.windows.win_powershell, in one call.
param(
    # {"name", "certificate", "languages", "upstream", "targeting", "products", "classifications", "daily_at", "groups", "automatic"}
    [Parameter(Mandatory)] [string] $Wanted,
    # how long the first synchronisation of products and classifications may take
    [int] $Minutes = 60
)
$ErrorActionPreference = 'Stop'
$want = ConvertFrom-Json $Wanted
Import-Module WebAdministration

# TLS first: what terminals report and what they are told to install goes by no other way; the files themselves have digests
$binding = Get-WebBinding -Port 8531 -Protocol https
if ("$($binding.certificateHash)" -ne $want.certificate) { $binding.AddSslCertificate($want.certificate, 'My') }
$site = ($binding.ItemXPath -replace ".*@name='([^']+)'.*", '$1')
foreach ($part in 'ApiRemoting30', 'ClientWebService', 'DSSAuthWebService', 'ServerSyncWebService', 'SimpleAuthWebService') {
    Set-WebConfigurationProperty -PSPath 'IIS:\' -Location "$site/$part" -Filter system.webServer/security/access -Name sslFlags -Value Ssl
}
$run = Start-Process (Join-Path $env:ProgramFiles 'Update Services\Tools\wsusutil.exe') "configuressl $($want.name)" -NoNewWindow -Wait -PassThru
if ($run.ExitCode -ne 0) { throw "wsusutil configuressl ended with $($run.ExitCode)" }

$wsus = Get-WsusServer
$configuration = $wsus.GetConfiguration()
$configuration.AllUpdateLanguagesEnabled = $false
$languages = [Collections.Specialized.StringCollection]::new()
$languages.AddRange([string[]]$want.languages)
$configuration.SetEnabledUpdateLanguages($languages)
$configuration.TargetingMode = $want.targeting
$configuration.SyncFromMicrosoftUpdate = -not $want.upstream
if ($want.upstream) {
    $configuration.UpstreamWsusServerName, $port = $want.upstream -split ':'
    $configuration.UpstreamWsusServerPortNumber, $configuration.UpstreamWsusServerUseSsl = [int]$port, $true
}
$configuration.OobeInitialized = $true
$configuration.Save()

# which products there are is known after a first synchronisation
$subscription = $wsus.GetSubscription()
$end = (Get-Date).AddMinutes($Minutes)
$missing = { @($want.products | Where-Object { $_ -notin $wsus.GetUpdateCategories().Title }) }
if (& $missing) {
    $subscription.StartSynchronizationForCategoryOnly()
    do { Start-Sleep 10 } while ("$($subscription.GetSynchronizationStatus())" -ne 'NotProcessing' -and (Get-Date) -lt $end)
}
if ($unknown = & $missing) { throw "the upstream offers no products $($unknown -join ', ')" }

$products = [Microsoft.UpdateServices.Administration.UpdateCategoryCollection]::new()
$products.AddRange(@($wsus.GetUpdateCategories() | Where-Object { $_.Title -in $want.products }))
$classes = [Microsoft.UpdateServices.Administration.UpdateClassificationCollection]::new()
$classes.AddRange(@($wsus.GetUpdateClassifications() | Where-Object { "$($_.Id)" -in $want.classifications }))
$subscription.SetUpdateCategories($products)
$subscription.SetUpdateClassifications($classes)
$subscription.SynchronizeAutomatically, $subscription.NumberOfSynchronizationsPerDay = $true, 4
$subscription.SynchronizeAutomaticallyTimeOfDay = [timespan]$want.daily_at
$subscription.Save()

foreach ($name in $want.groups) {
    if ($name -notin $wsus.GetComputerTargetGroups().Name) { $null = $wsus.CreateComputerTargetGroup($name) }
}
# patterns are approved as they come, for every ring; whatever else is approved by itself is switched off
$wsus.GetInstallApprovalRules() | Where-Object Name -ne 'renkei patterns' | ForEach-Object { $_.Enabled = $false; $_.Save() }
$rule = $wsus.GetInstallApprovalRules() | Where-Object Name -eq 'renkei patterns'
if (-not $rule) { $rule = $wsus.CreateInstallApprovalRule('renkei patterns') }
$patterns = [Microsoft.UpdateServices.Administration.UpdateClassificationCollection]::new()
$patterns.AddRange(@($wsus.GetUpdateClassifications() | Where-Object { "$($_.Id)" -in $want.automatic }))
$rings = [Microsoft.UpdateServices.Administration.ComputerTargetGroupCollection]::new()
$rings.AddRange(@($wsus.GetComputerTargetGroups() | Where-Object { $_.Name -in $want.groups }))
$rule.SetUpdateClassifications($patterns)
$rule.SetComputerTargetGroups($rings)
$rule.Enabled = $true
$rule.Save()
